// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "cli/inspect_difference.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/planning.h"
#include "cli/report.h"
#include "cli/units.h"
#include "jang/difference.h"

namespace jang::cli {
namespace {

constexpr std::size_t kMostRows = 40;  // of tensors, unless all are asked for
constexpr std::size_t kWidestValue = 60;

std::string shortened(const std::string& text) {
  if (text.empty()) return "absent";
  return printable(text.size() > kWidestValue ? text.substr(0, kWidestValue) + "..." : text);
}

std::string storage_text(const TensorStorage& s) {
  return s.group_size > 0 ? fmt::format("{} bits, group {}", s.bits, s.group_size) : fmt::format("{} bits", s.bits);
}

std::string shape_text(const TensorStorage& s) {
  std::string out = "[";
  for (std::size_t i = 0; i < s.shape.size(); ++i) out += fmt::format("{}{}", i > 0 ? ", " : "", s.shape[i]);
  return out + "]";
}

std::string config_and_files(const ModelDifference& d) {
  std::string out;
  for (const ConfigChange& c : d.config)
    out += fmt::format("  config  {}: {} | {}\n", printable(c.key), shortened(c.first), shortened(c.second));
  for (const FileChange& f : d.files)
    out += fmt::format("  file    {}: {}\n", printable(f.name),
                       f.in_first && f.in_second ? "differs"
                       : f.in_first              ? "only in the first"
                                                 : "only in the second");
  for (const std::string& name : d.only_first) out += fmt::format("  tensor  {}: only in the first\n", printable(name));
  for (const std::string& name : d.only_second) out += fmt::format("  tensor  {}: only in the second\n", printable(name));
  return out;
}

std::string tensors_table(const ModelDifference& d, bool all, bool color) {
  std::vector<std::vector<std::string>> rows = {{"  tensor", "first", "second", "bytes", "bytes", "error", "largest"}};
  std::size_t n_more = 0;
  for (const TensorChange& t : d.tensors) {
    if (t.same) continue;
    if (!all && rows.size() > kMostRows) {
      ++n_more;
      continue;
    }
    const bool reshaped = t.first.shape != t.second.shape;
    rows.push_back({"  " + printable(t.name), reshaped ? shape_text(t.first) : storage_text(t.first),
                    reshaped ? shape_text(t.second) : storage_text(t.second), format_bytes(t.first.bytes), format_bytes(t.second.bytes),
                    t.error ? short_number(*t.error) : "-", t.largest ? short_number(*t.largest) : "-"});
  }
  if (rows.size() == 1) return "";
  std::string out = "\n" + columns_text(rows, color);
  return n_more > 0 ? out + fmt::format("  and {} tensors more; --tensors lists them\n", n_more) : out;
}

std::string text_of(const ModelDifference& d, bool all, bool color) {
  const auto count = [&](auto differs) { return std::ranges::count_if(d.tensors, differs); };
  std::string out = fmt::format("first   {}, {} of weight files\nsecond  {}, {} of weight files\n", printable(d.first),
                                format_bytes_both(d.first_bytes), printable(d.second), format_bytes_both(d.second_bytes));
  if (d.same()) return out + (d.values ? "no difference\n" : "no difference; values were not compared\n");
  out +=
      fmt::format("  {} tensors in both: {} stored in other bits, {} of other shapes, {} of other values{}\n", d.tensors.size(),
                  count([](const TensorChange& t) { return t.first.bits != t.second.bits || t.first.group_size != t.second.group_size; }),
                  count([](const TensorChange& t) { return t.first.shape != t.second.shape; }),
                  count([](const TensorChange& t) { return t.error.value_or(0) > 0; }), d.values ? "" : " (values were not compared)");
  return out + config_and_files(d) + tensors_table(d, all, color);
}

std::string difference_document(const ModelDifference& d) {
  Json v = new_document();
  v.update(parse_document(to_json(d)));
  return dump(v, 2) + "\n";
}

Result<ModelDifference> difference_of(const Arguments& arguments, const Surroundings& surroundings) {
  RunOptions run;
  if (arguments.has("--threads")) {
    JANG_ASSIGN(const std::int64_t threads, parse_integer(arguments.value("--threads"), "--threads", 1, kMaxThreads));
    run.threads = static_cast<int>(threads);
  }
  run.lenient = arguments.has("--lenient");
  run.hub = surroundings.hub;
  run.cancel = &cancel_flag();
  for (const char* name : {"--html", "--stats"})
    if (arguments.has(name)) return usage(fmt::format("{} is about one model; leave OTHER out", name));
  return compare_models(arguments.value("MODEL"), arguments.value("OTHER"), !arguments.has("--no-values"), run);
}

}  // namespace

int run_inspect_difference(const Arguments& arguments, const Surroundings& surroundings) {
  catch_interrupts();
  const Result<ModelDifference> found = difference_of(arguments, surroundings);
  if (!found.ok()) {
    const std::string what = fmt::format("cannot compare {} with {}", arguments.value("MODEL"), arguments.value("OTHER"));
    return fail(what, "inspect", found.status(), surroundings.stderr_color);
  }
  const int code = found->same() ? kExitOk : kExitValidationFailed;
  if (arguments.has("--json")) return finish(difference_document(*found), surroundings, code);
  return finish(text_of(*found, arguments.has("--tensors"), surroundings.stdout_color), surroundings, code);
}

}  // namespace jang::cli
