// SPDX-License-Identifier: Apache-2.0
// `jang inspect`: what a directory holds, source checkpoint or bundle, or a GGUF file. Headers and configuration only.
#include "cli/inspect.h"

#include "jang/inspect.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/inspect_difference.h"
#include "cli/inspect_gguf.h"
#include "cli/report.h"
#include "cli/units.h"
#include "jang/gguf.h"
#include "jang/hub.h"
#include "jang/model_page.h"

namespace jang::cli {
namespace {

std::string report_text(const Inspection& found, bool list, bool color) {
  const ModelReport& report = found.report;
  std::string out = fmt::format("{}: {}, model_type {}", printable(found.path), found.quantized ? "quantized" : "not quantized",
                                printable(found.model_type.empty() ? "unknown" : found.model_type));
  if (report.profile) out += fmt::format(", profile {}", printable(*report.profile));
  if (report.method) out += fmt::format(", method {}", printable(*report.method));
  out += fmt::format("\n  files        {}\n  tensors      {}\n", found.n_files, report.tensors.size());
  out += sizes_text(report) + "\n" + histogram_text(report, color);
  return list ? out + "\n" + tensors_text(report, color) : out;
}

std::string document(const Inspection& found) {
  Json v = new_document();
  v.update(parse_document(to_json(found.report)));
  v["path"] = found.path;
  v["quantized"] = found.quantized;
  v["model_type"] = found.model_type.empty() ? Json(nullptr) : Json(found.model_type);
  return dump(v, 2) + "\n";
}

Result<Inspection> inspect(const Arguments& arguments, const Surroundings& surroundings) {
  JANG_ASSIGN(const std::string directory, find_model(arguments.value("MODEL"), surroundings.hub));
  return inspect_model(directory, arguments.has("--lenient"));
}

}  // namespace

int run_inspect(const Arguments& arguments, const Surroundings& surroundings) {
  if (arguments.has("OTHER")) return run_inspect_difference(arguments, surroundings);
  if (is_gguf_file(arguments.value("MODEL"))) return run_inspect_gguf(arguments.value("MODEL"), arguments, surroundings);
  const Result<Inspection> found = inspect(arguments, surroundings);
  if (!found.ok())
    return fail(fmt::format("cannot inspect {}", arguments.value("MODEL")), "inspect", as_input_failure(found.status()),
                surroundings.stderr_color);
  for (const std::string& warning : found->warnings)
    print_message(fmt::format("{}{}\n", styled("warning: ", Style::yellow, surroundings.stderr_color), printable(warning)));
  if (arguments.has("--html")) {
    const ModelPage page{
        fmt::format("{} ({})", model_name(found->path), found->model_type), {}, arguments.value("--stats"), found->model_type};
    if (const Status written = write_model_page(found->report, page, arguments.value("--html")); !written.ok())
      return fail("the page could not be written", "inspect", written, surroundings.stderr_color);
  }
  if (arguments.has("--json")) return finish(document(*found), surroundings);
  return finish(report_text(*found, arguments.has("--tensors"), surroundings.stdout_color), surroundings);
}

}  // namespace jang::cli
