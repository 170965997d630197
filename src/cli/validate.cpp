// SPDX-License-Identifier: Apache-2.0
// `jang validate`: every check that needs no source. Exit code 5 when a finding is an error.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/report.h"
#include "cli/units.h"
#include "engine/text_check.h"
#include "format/targets/bundle.h"
#include "quantize/check_loads.h"

namespace jang::cli {
namespace {

json::Value document(const std::string& path, const std::vector<format::Finding>& findings, std::size_t errors) {
  json::Value v = json::Value::object();
  v["schema_version"] = kSchemaVersion;
  v["path"] = path;
  v["valid"] = errors == 0;
  v["errors"] = errors;
  v["warnings"] = findings.size() - errors;
  json::Value rows = json::Value::array();
  for (const format::Finding& finding : findings) {
    json::Value row = json::Value::object();
    row["severity"] = format::severity_name(finding.severity);
    row["where"] = finding.where;
    row["message"] = finding.message;
    rows.push_back(std::move(row));
  }
  v["findings"] = std::move(rows);
  return v;
}

std::string findings_text(const std::string& path, const std::vector<format::Finding>& findings, std::size_t errors, bool color) {
  std::string out;
  for (const format::Finding& finding : findings) {
    const Style style = finding.severity == format::Severity::error ? Style::red : Style::yellow;
    out += fmt::format("{}: {}: {}\n", styled(format::severity_name(finding.severity), style, color), printable(finding.where),
                       printable(finding.message));
  }
  const std::string verdict = errors == 0 ? styled("valid", Style::green, color) : styled("invalid", Style::red, color);
  return out + fmt::format("{}: {}, {} errors, {} warnings\n", printable(path), verdict, errors, findings.size() - errors);
}

}  // namespace

int run_validate(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string path = arguments.value("DIR");
  const Result<std::vector<format::Finding>> checked = quantize::validate_bundle(path, {.deep = arguments.has("--deep")});
  if (!checked.ok())
    return fail(fmt::format("cannot open {}", path), "validate", as_input_failure(checked.status()), surroundings.stderr_color);
  std::vector<format::Finding> findings = checked.value();
  const std::vector<format::Finding> about_text = engine::check_text(path);
  findings.insert(findings.end(), about_text.begin(), about_text.end());
  std::size_t errors = 0;
  for (const format::Finding& finding : findings) errors += finding.severity == format::Severity::error ? 1 : 0;
  const std::string text = arguments.has("--json") ? json::dump(document(path, findings, errors), 2) + "\n"
                                                   : findings_text(path, findings, errors, surroundings.stdout_color);
  return finish(text, surroundings, errors == 0 ? kExitOk : kExitValidationFailed);
}

}  // namespace jang::cli
