// SPDX-License-Identifier: Apache-2.0
// Every file is made beside its name and renamed, so that what has the name is whole.
#include "experiment/gguf/tools.h"

#include <filesystem>
#include <functional>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "base/thread_pool.h"
#include "experiment/fingerprint.h"
#include "experiment/gguf/export.h"
#include "experiment/line_log.h"
#include "json/json.h"

namespace jang::experiment {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxImatrixText = 1u << 30;

class Maker {
 public:
  Maker(const quantize::Source& source, const GgufTools& tools, const std::string& work, const std::string& source_fingerprint,
        const quantize::RunOptions& run)
      : source_(source), tools_(tools), folder_(work + "/gguf"), source_fingerprint_(source_fingerprint), run_(run) {}

  Result<MadeGguf> make(const Recipe& recipe) {
    JANG_TRY(find("llama-quantize", quantize_));
    if (recipe.imatrix) JANG_TRY(find("llama-imatrix", imatrix_));
    JANG_TRY(make_directories(folder_));
    JANG_TRY(make_plain());
    std::string matrix;
    if (recipe.imatrix) JANG_TRY(make_imatrix(matrix));
    json::Value facts = {plain_, matrix, recipe.gguf_type, facts_of(quantize_)};
    MadeGguf made;
    made.path = fmt::format("{}/{}{}-{}.gguf", folder_, recipe.gguf_type, recipe.imatrix ? "-imatrix" : "", fingerprint(facts));
    JANG_TRY(once(made.path, [&](const std::string& partial) {
      std::vector<std::string> words = {quantize_.path};
      if (recipe.imatrix) words.insert(words.end(), {"--imatrix", matrix});
      words.insert(words.end(), {plain_, partial, recipe.gguf_type, threads()});
      const auto start = Clock::now();
      const Status done = run_program(words, made.path + ".log", run_.cancel);
      made.seconds = seconds_since(start);
      return done;
    }));
    return made;
  }

 private:
  struct Program {
    std::string path;
    std::uint64_t bytes = 0;
    std::int64_t mtime_ns = 0;
  };

  [[nodiscard]] std::string threads() const { return std::to_string(run_.n_threads > 0 ? run_.n_threads : available_threads()); }

  Status find(const char* name, Program& program) const {
    program.path = find_program(name, tools_.folders);
    if (program.path.empty())
      return {StatusCode::not_found, fmt::format("there is no {}; build it from llama.cpp and put it on the PATH, or name its folder with "
                                                 "--gguf-tools (a finished file needs no program: gguf:FILE)",
                                                 name)};
    JANG_ASSIGN(const InputFile file, InputFile::open(program.path));
    program.bytes = file.size();
    program.mtime_ns = file.mtime_ns();
    return {};
  }

  static json::Value facts_of(const Program& program) { return {program.path, program.bytes, program.mtime_ns}; }

  // Makes `path` unless it is there.
  static Status once(const std::string& path, const std::function<Status(const std::string& partial)>& make) {
    std::error_code error;
    if (fs::is_regular_file(path, error)) return {};
    const std::string partial = path + ".partial";
    fs::remove(partial, error);
    JANG_TRY(make(partial));
    fs::rename(partial, path, error);
    if (error) return {StatusCode::io, fmt::format("cannot rename {}: {}", partial, error.message())};
    return {};
  }

  Status make_plain() {
    plain_ = fmt::format("{}/plain-{}.gguf", folder_, fingerprint({source_fingerprint_, 1}));
    return once(plain_, [&](const std::string& partial) {
      const Result<ExportedGguf> done = export_gguf(source_, partial, run_.cancel);
      if (!done.ok()) return done.status();
      return done->no_text.empty() ? Status() : replace_text(plain_ + ".no_text", done->no_text);
    });
  }

  Status make_imatrix(std::string& path) {
    if (tools_.text.empty())
      return {StatusCode::invalid_argument, "an importance matrix needs a text: --gguf-text FILE, not the one that is scored"};
    std::error_code error;
    if (fs::exists(plain_ + ".no_text", error)) {
      JANG_ASSIGN(const std::string why, read_text(plain_ + ".no_text", 4096));
      return {StatusCode::unsupported, fmt::format("no importance matrix of this model: {}", why)};
    }
    JANG_ASSIGN(const std::string text, fingerprint_file(tools_.text, kMaxImatrixText));
    path = fmt::format("{}/imatrix-{}.gguf", folder_, fingerprint({plain_, text, facts_of(imatrix_), kImatrixContext}));
    return once(path, [&](const std::string& partial) {
      const std::vector<std::string> words = {imatrix_.path,
                                              "-m",
                                              plain_,
                                              "-f",
                                              tools_.text,
                                              "-o",
                                              partial,
                                              "--output-format",
                                              "gguf",
                                              "-c",
                                              std::to_string(kImatrixContext),
                                              "-t",
                                              threads(),
                                              "-ngl",
                                              "0"};
      return run_program(words, path + ".log", run_.cancel);
    });
  }

  const quantize::Source& source_;
  const GgufTools& tools_;
  const std::string folder_;
  const std::string& source_fingerprint_;
  const quantize::RunOptions& run_;
  Program quantize_, imatrix_;
  std::string plain_;
};

}  // namespace

Result<MadeGguf> make_gguf(const quantize::Source& source, const Recipe& recipe, const GgufTools& tools, const std::string& work,
                           const std::string& source_fingerprint, const quantize::RunOptions& run) {
  return Maker(source, tools, work, source_fingerprint, run).make(recipe);
}

}  // namespace jang::experiment
