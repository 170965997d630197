// SPDX-License-Identifier: Apache-2.0
// main() of a fuzz target where libFuzzer is missing: runs every file of the corpora given, then N mutations of each (flips, truncations,
// insertions, splices of two files), the same ones in every run. Prints how many inputs were run, and on a crash which one it was; the
// input can be had again with --dump=FILE.
//
//   <target> [--mutations=N] [--seed=S] [--dump=FILE] CORPUS_DIR...
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
// Read by the sanitizers where they are linked in: their reports end in abort(), so that the handler below names the input.
extern "C" const char* __asan_default_options() { return "abort_on_error=1"; }
extern "C" const char* __ubsan_default_options() { return "abort_on_error=1"; }

namespace {

using Bytes = std::vector<std::uint8_t>;

struct Seed {
  std::string path;
  Bytes bytes;
};

struct Options {
  std::uint64_t mutations = 2000, seed = 1;
  std::string dump;
  std::vector<std::string> corpora;
};

// What a crash handler may touch: fixed memory, written before every input.
char g_label[512] = "";
char g_dump[512] = "";
const std::uint8_t* g_data = nullptr;
std::size_t g_size = 0;

// Async-signal-safe calls only. If a write fails there is nobody left to tell.
void report_input() {
  const auto say = [](int fd, const void* text, std::size_t n) {
    if (::write(fd, text, n) < 0) return;
  };
  say(2, "failing input: ", 15);
  say(2, g_label, std::strlen(g_label));
  say(2, "\n", 1);
  if (g_dump[0] == '\0') return;
  const int fd = ::open(g_dump, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (fd < 0) return;
  say(fd, g_data, g_size);
  ::close(fd);
}

void on_signal(int number) {
  report_input();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

void run_one(const Bytes& bytes, const std::string& label) {
  std::snprintf(g_label, sizeof g_label, "%s", label.c_str());
  // A copy of exactly its size, so that a sanitizer sees the first byte read past the end.
  const Bytes exact(bytes.begin(), bytes.end());
  g_data = exact.data();
  g_size = exact.size();
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

std::size_t below(std::mt19937_64& random, std::size_t n) { return n == 0 ? 0 : static_cast<std::size_t>(random() % n); }

void mutate_once(Bytes& bytes, const std::vector<Seed>& seeds, std::mt19937_64& random) {
  static constexpr std::string_view kTokens[] = {
      "{",    "}",       "[",       "]",  ",", ":",    "\"",           "\\", "-", "0", "1e9", "18446744073709551615",
      "null", "\\u0000", "\\ud800", "..", "/", "\xff", "\xe2\x80\xae", " "};
  const std::size_t at = below(random, bytes.size());
  const auto position = bytes.begin() + static_cast<std::ptrdiff_t>(at);
  switch (random() % 7) {
    case 0:  // flip a bit
      if (!bytes.empty()) bytes[at] ^= static_cast<std::uint8_t>(1u << (random() % 8));
      break;
    case 1:  // any byte
      if (!bytes.empty()) bytes[at] = static_cast<std::uint8_t>(random());
      break;
    case 2:  // truncate
      bytes.resize(at);
      break;
    case 3: {  // insert something with a meaning
      const std::string_view token = kTokens[below(random, std::size(kTokens))];
      bytes.insert(position, token.begin(), token.end());
      break;
    }
    case 4: {  // erase a run
      const std::size_t n = std::min(bytes.size() - at, 1 + below(random, 16));
      bytes.erase(position, position + static_cast<std::ptrdiff_t>(n));
      break;
    }
    case 5: {  // repeat a run
      const std::size_t n = std::min(bytes.size() - at, 1 + below(random, 64));
      const Bytes run(position, position + static_cast<std::ptrdiff_t>(n));
      bytes.insert(position, run.begin(), run.end());
      break;
    }
    default: {  // continue as another file does
      const Bytes& other = seeds[below(random, seeds.size())].bytes;
      const std::size_t from = below(random, other.size());
      bytes.resize(at);
      bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
    }
  }
}

bool read_corpora(const std::vector<std::string>& corpora, std::vector<Seed>& seeds) {
  for (const std::string& corpus : corpora) {
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator it(corpus, error), end; !error && it != end; it.increment(error)) {
      if (!it->is_regular_file()) continue;
      std::ifstream in(it->path(), std::ios::binary);
      seeds.push_back({it->path().string(), Bytes(std::istreambuf_iterator<char>(in), {})});
    }
    if (error) {
      std::fprintf(stderr, "cannot read corpus '%s': %s\n", corpus.c_str(), error.message().c_str());
      return false;
    }
  }
  std::sort(seeds.begin(), seeds.end(), [](const Seed& a, const Seed& b) { return a.path < b.path; });
  return true;
}

bool parse_options(int argc, char** argv, Options& out) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    const std::string value(arg.substr(std::min(arg.size(), arg.find('=') + 1)));
    if (arg.starts_with("--mutations="))
      out.mutations = std::strtoull(value.c_str(), nullptr, 10);
    else if (arg.starts_with("--seed="))
      out.seed = std::strtoull(value.c_str(), nullptr, 10);
    else if (arg.starts_with("--dump="))
      out.dump = value;
    else if (arg.starts_with("-"))
      return false;
    else
      out.corpora.emplace_back(arg);
  }
  return !out.corpora.empty();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse_options(argc, argv, options)) {
    std::fprintf(stderr, "usage: %s [--mutations=N] [--seed=S] [--dump=FILE] CORPUS_DIR...\n", argv[0]);
    return 2;
  }
  std::vector<Seed> seeds;
  if (!read_corpora(options.corpora, seeds)) return 1;
  if (seeds.empty()) {
    std::fprintf(stderr, "the corpus is empty: nothing was tested\n");
    return 1;
  }
  std::snprintf(g_dump, sizeof g_dump, "%s", options.dump.c_str());
  std::signal(SIGABRT, on_signal);
#if !defined(__SANITIZE_ADDRESS__)  // it reports these itself, with the address, and then aborts
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(number, on_signal);
#endif

  std::uint64_t count = 0;
  run_one({}, "empty input"), ++count;
  for (const Seed& seed : seeds) run_one(seed.bytes, seed.path), ++count;
  for (std::size_t s = 0; s < seeds.size(); ++s) {
    for (std::uint64_t m = 0; m < options.mutations; ++m, ++count) {
      // One generator per input: a failing one is found again without running those before it.
      std::seed_seq mix{options.seed, static_cast<std::uint64_t>(s), m};
      std::mt19937_64 random(mix);
      Bytes bytes = seeds[s].bytes;
      for (std::uint64_t k = 1 + random() % 4; k > 0; --k) mutate_once(bytes, seeds, random);
      run_one(bytes, seeds[s].path + ", mutation " + std::to_string(m) + " of seed " + std::to_string(options.seed));
    }
  }
  std::printf("%llu inputs run: %zu files and %llu mutations of each\n", static_cast<unsigned long long>(count), seeds.size(),
              static_cast<unsigned long long>(options.mutations));
  return 0;
}
