// SPDX-License-Identifier: Apache-2.0
// `jang template`: what a chat template makes of messages, for seeing what a model is really given.
#include "cli/template.h"

#include <charconv>
#include <ctime>
#include <filesystem>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/json.h"
#include "cli/units.h"
#include "jang/chat_template.h"
#include "jang/hub.h"
#include "jang/text_input.h"

namespace jang::cli {
namespace {

// Shown when no variables are given.
constexpr std::string_view kSampleVariables = R"({"messages": [{"role": "user", "content": "Hello!"}], "add_generation_prompt": true})";

constexpr std::size_t kMaxVariableBytes = std::size_t{64} << 20;

// Local time, as Python's datetime.now(); --now gives another moment, in UTC.
Result<Moment> moment_of(const Arguments& arguments) {
  if (arguments.has("--now")) {
    const std::string typed = arguments.value("--now");
    std::int64_t seconds = 0;
    const auto parsed = std::from_chars(typed.data(), typed.data() + typed.size(), seconds);
    if (parsed.ec != std::errc() || parsed.ptr != typed.data() + typed.size())
      return Status(StatusCode::invalid_argument, fmt::format("--now takes seconds since 1970, not {}", quote(typed)));
    return Moment{seconds, 0};
  }
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  if (::localtime_r(&now, &local) == nullptr) return Moment{static_cast<std::int64_t>(now), 0};
  return Moment{static_cast<std::int64_t>(now), static_cast<std::int64_t>(local.tm_gmtoff)};
}

bool is_file(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

Result<ChatTemplate> open_template(const std::string& typed, const Surroundings& surroundings) {
  if (is_file(typed)) return ChatTemplate::open(typed);
  JANG_ASSIGN(const std::string directory, find_model(typed, surroundings.hub));
  return ChatTemplate::open(directory);
}

struct Variables {
  std::string text, what;
};

Result<Variables> read_variables(const Arguments& arguments) {
  if (!arguments.has("--variables")) return Variables{std::string(kSampleVariables), "sample"};
  const std::string path = arguments.value("--variables");
  JANG_ASSIGN(std::string text, read_text_input(path, kMaxVariableBytes));
  return Variables{std::move(text), path};
}

Json document(const std::vector<TemplateSegment>& segments) {
  Json v = new_document();
  std::string whole;
  Json list = Json::array();
  for (const TemplateSegment& segment : segments) {
    whole += segment.text;
    Json s = Json::object();
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
  const Result<Moment> now = moment_of(arguments);
  if (!now.ok()) return failed(now.status());
  const Result<ChatTemplate> program = open_template(typed, surroundings);
  if (!program.ok()) return failed(as_input_failure(program.status()));
  const Result<Variables> variables = read_variables(arguments);
  if (!variables.ok()) return failed(as_input_failure(variables.status()));
  const Result<std::vector<TemplateSegment>> segments =
      program.value().render_variables(variables.value().text, variables.value().what, now.value());
  if (!segments.ok()) return failed(as_input_failure(segments.status()));
  if (arguments.has("--json")) return finish(dump(document(segments.value()), 2) + "\n", surroundings);
  std::string out;
  for (const TemplateSegment& segment : segments.value()) out += segment.text;
  return finish(out, surroundings);
}

}  // namespace jang::cli
