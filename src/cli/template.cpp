// SPDX-License-Identifier: Apache-2.0
// `jang template`: what a chat template makes of messages, for seeing what a model is really given.
#include <charconv>
#include <ctime>
#include <filesystem>

#include <fmt/format.h>

#include "base/file.h"
#include "base/text_input.h"
#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/report.h"
#include "cli/units.h"
#include "text/chat_template.h"

namespace jang::cli {
namespace {

// Shown when no variables are given.
constexpr std::string_view kSampleVariables = R"({"messages": [{"role": "user", "content": "Hello!"}], "add_generation_prompt": true})";

// Local time, as Python's datetime.now(); --now gives another moment, in UTC.
Result<text::Moment> moment_of(const Arguments& arguments) {
  if (arguments.has("--now")) {
    const std::string typed = arguments.value("--now");
    std::int64_t seconds = 0;
    const auto parsed = std::from_chars(typed.data(), typed.data() + typed.size(), seconds);
    if (parsed.ec != std::errc() || parsed.ptr != typed.data() + typed.size())
      return Status(StatusCode::invalid_argument, fmt::format("--now takes seconds since 1970, not {}", json::quote(typed)));
    return text::Moment{seconds, 0};
  }
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  if (::localtime_r(&now, &local) == nullptr) return text::Moment{static_cast<std::int64_t>(now), 0};
  return text::Moment{static_cast<std::int64_t>(now), static_cast<std::int64_t>(local.tm_gmtoff)};
}

bool is_file(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

Result<text::ChatTemplate> open_template(const std::string& typed, const Surroundings& surroundings) {
  if (is_file(typed)) {
    JANG_ASSIGN(std::string source, read_text(typed, text::ChatTemplate::kMaxSourceBytes));
    return text::ChatTemplate::parse(std::move(source), typed);
  }
  JANG_ASSIGN(const std::string directory, format::resolve_model(typed, surroundings.hub));
  return text::ChatTemplate::load(directory);
}

Result<json::Value> read_variables(const Arguments& arguments) {
  if (!arguments.has("--variables")) return json::parse(kSampleVariables, "sample");
  const std::string path = arguments.value("--variables");
  JANG_ASSIGN(const std::string text, read_text_input(path, json::Limits{}.max_bytes));
  return json::parse(text, path, {.dialect = json::Dialect::python});
}

json::Value document(const std::vector<text::TemplateSegment>& segments) {
  json::Value v = json::Value::object();
  v["schema_version"] = kSchemaVersion;
  std::string whole;
  json::Value list = json::Value::array();
  for (const text::TemplateSegment& segment : segments) {
    whole += segment.text;
    json::Value s = json::Value::object();
    s["text"] = segment.text;
    s["from_input"] = segment.from_input;
    list.push_back(std::move(s));
  }
  v["text"] = whole;
  v["segments"] = std::move(list);
  return v;
}

}  // namespace

int run_template(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string typed = arguments.value("MODEL");
  const std::string what = fmt::format("cannot render the chat template of {}", typed);
  const auto failed = [&](const Status& status) { return fail(what, "template", status, surroundings.stderr_color); };
  const Result<text::Moment> now = moment_of(arguments);
  if (!now.ok()) return failed(now.status());
  const Result<text::ChatTemplate> program = open_template(typed, surroundings);
  if (!program.ok()) return failed(as_input_failure(program.status()));
  const Result<json::Value> variables = read_variables(arguments);
  if (!variables.ok()) return failed(as_input_failure(variables.status()));
  const Result<std::vector<text::TemplateSegment>> segments = program.value().render_segments(variables.value(), now.value());
  if (!segments.ok()) return failed(as_input_failure(segments.status()));
  if (arguments.has("--json")) return finish(json::dump(document(segments.value()), 2) + "\n", surroundings);
  std::string out;
  for (const text::TemplateSegment& segment : segments.value()) out += segment.text;
  return finish(out, surroundings);
}

}  // namespace jang::cli
