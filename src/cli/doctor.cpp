// SPDX-License-Identifier: Apache-2.0
// `jang doctor`: what this machine offers. Facts only, read from the system; what cannot be read is null.
#include "cli/doctor.h"

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

#include <sys/resource.h>
#include <sys/utsname.h>

#include <fmt/format.h>

#include "cli/build_info.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/units.h"
#include "jang/machine.h"

namespace jang::cli {
namespace {

// Value of a "Name:   123 kB" line of /proc/meminfo, in bytes.
std::optional<std::uint64_t> meminfo(std::string_view name) {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ':') continue;
    const std::size_t begin = line.find_first_of("0123456789"), end = line.find(' ', begin);
    const auto kib =
        parse_integer(std::string_view(line).substr(begin == std::string::npos ? line.size() : begin, end - begin), name, 0, 1ll << 50);
    if (kib.ok()) return static_cast<std::uint64_t>(kib.value()) * 1024;
  }
  return std::nullopt;
}

// Memory limit of the control group this process runs in, when there is one below "max".
std::optional<std::uint64_t> memory_limit() {
  std::ifstream file("/sys/fs/cgroup/memory.max");
  std::string text;
  if (!std::getline(file, text)) return std::nullopt;
  const auto bytes = parse_integer(text, "memory.max", 1, INT64_MAX);
  return bytes.ok() ? std::optional(static_cast<std::uint64_t>(bytes.value())) : std::nullopt;
}

struct Machine {
  MachineFacts facts;
  CudaFacts cuda;
  std::string system, processor;
  int processors = 0;
  std::optional<std::uint64_t> memory, available, limit, disk_free;
  std::uint64_t open_files = 0;
};

Machine machine() {
  Machine m;
  utsname names{};
  if (uname(&names) == 0) m.system = fmt::format("{} {} {}", names.sysname, names.release, names.machine);
  m.facts = machine_facts();
  m.cuda = cuda_facts();
  m.processor = m.facts.processor.empty() ? "unknown" : printable(m.facts.processor);
  m.processors = static_cast<int>(std::thread::hardware_concurrency());
  m.memory = meminfo("MemTotal");
  m.available = meminfo("MemAvailable");
  m.limit = memory_limit();
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(".", error);
  if (!error) m.disk_free = space.available;
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) m.open_files = files.rlim_cur;
  return m;
}

Json number_or_null(std::optional<std::uint64_t> n) { return n ? Json(*n) : Json(nullptr); }

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json cuda_document(const CudaFacts& cuda) {
  Json v = Json::object();
  v["built_in"] = cuda.built_in;
  v["driver_supports"] = text_or_null(cuda.driver_supports);
  v["built_with"] = text_or_null(cuda.built_with);
  v["problem"] = text_or_null(cuda.problem);
  v["cards"] = Json::array();
  for (const Card& card : cuda.cards)
    v["cards"].push_back({{"name", printable(card.name)},
                          {"compute_capability", fmt::format("{}.{}", card.compute_major, card.compute_minor)},
                          {"multiprocessors", card.multiprocessors},
                          {"memory_bytes", card.memory_bytes},
                          {"memory_free_bytes", card.free_bytes}});
  return v;
}

std::string cuda_text(const CudaFacts& cuda) {
  if (!cuda.problem.empty()) return fmt::format("cuda        {}\n", printable(cuda.problem));
  std::string out = fmt::format("cuda        driver supports CUDA {}, built with {}\n", cuda.driver_supports, cuda.built_with);
  for (std::size_t i = 0; i < cuda.cards.size(); ++i) {
    const Card& card = cuda.cards[i];
    out += fmt::format("  {} {}, compute capability {}.{}, {} multiprocessors, {} free of {}{}\n", i, printable(card.name),
                       card.compute_major, card.compute_minor, card.multiprocessors, format_bytes(card.free_bytes),
                       format_bytes(card.memory_bytes), i == 0 ? " (used)" : "");
  }
  return out;
}

Json document(const Machine& m, const BuildInfo& build) {
  Json v = Json::object();
  v["schema_version"] = kSchemaVersion;
  v["version"] = build.version;
  v["commit"] = build.commit;
  v["compiler"] = build.compiler;
  v["libraries"] = Json::object();
  for (const auto& [name, version] : build.libraries) v["libraries"][name] = version;
  v["system"] = m.system;
  v["processor"] = m.processor;
  v["processors"] = m.processors;
  v["threads"] = m.facts.threads;
  Json backends = Json::array();
  for (const Backend& backend : m.facts.backends) {
    Json row = Json::object();
    row["name"] = backend.name;
    row["available"] = backend.available;
    backends.push_back(std::move(row));
  }
  v["backends"] = std::move(backends);
  v["cuda"] = cuda_document(m.cuda);
  v["chosen_backend"] = m.facts.chosen_backend.empty() ? Json(nullptr) : Json(m.facts.chosen_backend);
  v["memory_bytes"] = number_or_null(m.memory);
  v["memory_available_bytes"] = number_or_null(m.available);
  v["memory_limit_bytes"] = number_or_null(m.limit);
  v["disk_free_bytes"] = number_or_null(m.disk_free);
  v["open_files_limit"] = m.open_files;
  return v;
}

std::string text(const Machine& m, const BuildInfo& build) {
  const auto bytes = [](std::optional<std::uint64_t> n) { return n ? format_bytes_both(*n) : std::string("unknown"); };
  std::string out = fmt::format("jang {} ({}), {}\n", build.version, build.commit, build.compiler);
  for (const auto& [name, version] : build.libraries) out += fmt::format("  {} {}\n", name, version);
  out += fmt::format("system      {}\nprocessor   {}\nthreads     {} usable of {}\n", m.system, m.processor, m.facts.threads, m.processors);
  out += "backends   ";
  for (const Backend& backend : m.facts.backends)
    out += fmt::format(" {}{}", backend.name,
                       !backend.available                       ? " (not on this machine)"
                       : backend.name == m.facts.chosen_backend ? " (chosen)"
                                                                : "");
  out += "\n" + cuda_text(m.cuda);
  out += fmt::format("memory      {}, available {}\n", bytes(m.memory), bytes(m.available));
  if (m.limit) out += fmt::format("  limited to {}\n", bytes(m.limit));
  out += fmt::format("disk free   {} in the working directory\nopen files  at most {}\n", bytes(m.disk_free), m.open_files);
  return out;
}

}  // namespace

int run_doctor(const Arguments& arguments, const Surroundings& surroundings) {
  const Machine m = machine();
  const BuildInfo build = build_info();
  return finish(arguments.has("--json") ? dump(document(m, build), 2) + "\n" : text(m, build), surroundings);
}

}  // namespace jang::cli
