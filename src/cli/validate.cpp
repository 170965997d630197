// SPDX-License-Identifier: Apache-2.0
// `jang validate`: every check that needs no source. Exit code 5 when a finding is an error.
#include "cli/validate.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/json.h"
#include "cli/units.h"
#include "jang/inspect.h"

namespace jang::cli {
namespace {

Json document(const std::string& path, const std::vector<Finding>& findings, std::size_t errors) {
  Json v = new_document();
  v["path"] = path;
  v["valid"] = errors == 0;
  v["errors"] = errors;
  v["warnings"] = findings.size() - errors;
  Json rows = Json::array();
  for (const Finding& finding : findings) {
    Json row = Json::object();
    row["severity"] = to_string(finding.severity);
    row["where"] = finding.where;
    row["message"] = finding.message;
    rows.push_back(std::move(row));
  }
  v["findings"] = std::move(rows);
  return v;
}

std::string findings_text(const std::string& path, const std::vector<Finding>& findings, std::size_t errors, bool color) {
  std::string out;
  for (const Finding& finding : findings) {
    const Style style = finding.severity == Severity::error ? Style::red : Style::yellow;
    out += fmt::format("{}: {}: {}\n", styled(to_string(finding.severity), style, color), printable(finding.where),
                       printable(finding.message));
  }
  const std::string verdict = errors == 0 ? styled("valid", Style::green, color) : styled("invalid", Style::red, color);
  return out + fmt::format("{}: {}, {} errors, {} warnings\n", printable(path), verdict, errors, findings.size() - errors);
}

}  // namespace

int run_validate(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string path = arguments.value("DIR");
  const Result<std::vector<Finding>> checked = validate_model(path, arguments.has("--deep"));
  if (!checked.ok())
    return fail(fmt::format("cannot open {}", path), "validate", as_input_failure(checked.status()), surroundings.stderr_color);
  const std::vector<Finding>& findings = checked.value();
  std::size_t errors = 0;
  for (const Finding& finding : findings) errors += finding.severity == Severity::error ? 1 : 0;
  const std::string text = arguments.has("--json") ? dump(document(path, findings, errors), 2) + "\n"
                                                   : findings_text(path, findings, errors, surroundings.stdout_color);
  return finish(text, surroundings, errors == 0 ? kExitOk : kExitValidationFailed);
}

}  // namespace jang::cli
