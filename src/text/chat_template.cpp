// SPDX-License-Identifier: Apache-2.0
// Variables in, text out. JSON becomes the engine's values with every string and key marked as input; only variables that the template
// reads are converted.
#include "text/chat_template.h"

#include <algorithm>
#include <limits>
#include <new>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/jinja/interpreter.h"

namespace jang::text {
static_assert(ChatTemplate::kMaxSteps == jinja::kMaxSteps);

namespace {

using jinja::Kind;
using jinja::Text;
using jinja::Value;
using jinja::Values;

constexpr std::size_t kOutputFactor = 4, kOutputExtra = 1u << 20;
constexpr std::size_t kScalarBytes = 8;  // what a number or bracket counts as input
constexpr int kMaxJsonDepth = jinja::kMaxContainerDepth - 10;

// Converts JSON; counts what it saw.
class Importer {
 public:
  Result<Value> convert(const json::Value& from, int depth = 0) {
    bytes_ += kScalarBytes;
    switch (from.type()) {
      case json::Value::value_t::null: return Value::none();
      case json::Value::value_t::boolean: return Value::boolean(from.get<bool>());
      case json::Value::value_t::number_integer: return Value::integer(from.get<std::int64_t>());
      case json::Value::value_t::number_unsigned: return convert_unsigned(from.get<std::uint64_t>());
      case json::Value::value_t::number_float: return Value::real(from.get<double>());
      case json::Value::value_t::string: return convert_string(from.get_ref<const std::string&>());
      case json::Value::value_t::array:
      case json::Value::value_t::object: break;
      default: return Status(StatusCode::invalid_argument, "a variable holds something that is not JSON");
    }
    if (depth >= kMaxJsonDepth)
      return Status(StatusCode::invalid_argument, fmt::format("variables nest deeper than {} levels", kMaxJsonDepth));
    return from.is_array() ? convert_array(from, depth) : convert_object(from, depth);
  }

  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  static Result<Value> convert_unsigned(std::uint64_t value) {
    if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      return Value::integer(static_cast<std::int64_t>(value));
    return Value::wide_integer(value);
  }

  Result<Value> convert_string(const std::string& from) {
    bytes_ += from.size();
    JANG_TRY(jinja::Runtime::check_string_size(from.size()));
    auto data = std::make_shared<jinja::StringData>();
    const bool valid = utf8::is_valid(from);
    data->text.append(valid ? from : utf8::replace_invalid_bytes(from), true);
    return Value::of(Kind::string, std::move(data));
  }

  Result<Value> convert_array(const json::Value& from, int depth) {
    auto data = std::make_shared<jinja::ListData>();
    for (const json::Value& item : from) {
      JANG_ASSIGN(Value value, convert(item, depth + 1));
      data->depth = std::max(data->depth, value.depth() + 1);
      data->items.push_back(std::move(value));
    }
    return Value::of(Kind::list, std::move(data));
  }

  Result<Value> convert_object(const json::Value& from, int depth) {
    auto data = std::make_shared<jinja::DictData>();
    for (const auto& [name, member] : from.get_ref<const json::Value::object_t&>()) {
      JANG_ASSIGN(Value key, convert_string(name));
      JANG_ASSIGN(Value value, convert(member, depth + 1));
      data->depth = std::max(data->depth, value.depth() + 1);
      data->entries.emplace_back(std::move(key), std::move(value));
    }
    data->make_index();
    return Value::of(Kind::dict, std::move(data));
  }

  std::size_t bytes_ = 0;
};

std::vector<TemplateSegment> to_segments(const Text& text) {
  std::vector<TemplateSegment> out;
  std::size_t at = 0;
  for (const jinja::Span& span : text.input_spans()) {
    if (span.begin > at) out.push_back({text.bytes().substr(at, span.begin - at), false});
    out.push_back({text.bytes().substr(span.begin, span.end - span.begin), true});
    at = span.end;
  }
  if (at < text.size()) out.push_back({text.bytes().substr(at), false});
  return out;
}

Result<Text> run(const jinja::Template& program, const json::Value& variables,
                 const std::vector<std::pair<std::string, std::string>>& special_tokens, const Moment& now, std::uint64_t max_steps) {
  if (!variables.is_object()) return Status(StatusCode::invalid_argument, "the variables of a template are a JSON object");
  jinja::Environment environment;
  environment.max_steps = max_steps;
  environment.unix_seconds = now.unix_seconds;
  environment.utc_offset_seconds = now.utc_offset_seconds;
  environment.variables.resize(program.names.size());
  Importer importer;
  const auto slot = [&](std::string_view name) {
    const int id = jinja::find_name(program, name);
    return id < 0 ? nullptr : &environment.variables[static_cast<std::size_t>(id)];
  };
  for (const char* name : {"tools", "documents"})
    if (Value* v = slot(name)) *v = Value::none();
  for (const auto& [name, text] : special_tokens)
    if (Value* v = slot(name)) *v = Value::short_string(text);
  for (const auto& [name, member] : variables.get_ref<const json::Value::object_t&>()) {
    Value* v = slot(name);
    if (v == nullptr) continue;
    JANG_ASSIGN(*v, importer.convert(member));
  }
  environment.max_output_bytes = kOutputFactor * (program.source_bytes + importer.bytes()) + kOutputExtra;
  return jinja::Interpreter(program, std::move(environment)).run();
}

}  // namespace

Result<ChatTemplate> ChatTemplate::parse(std::string source, std::string_view what) {
  ChatTemplate made;
  JANG_ASSIGN(made.main_, compile(std::move(source), what));
  return made;
}

Result<ChatTemplate::Program> ChatTemplate::compile(std::string source, std::string_view what) {
  if (source.size() > kMaxSourceBytes)
    return Status(StatusCode::invalid_argument,
                  fmt::format("{}: a template of {} bytes; at most {} are accepted", what, source.size(), kMaxSourceBytes));
  if (const std::size_t at = utf8::find_invalid(source); at != std::string_view::npos)
    return Status(StatusCode::corrupt, fmt::format("{}: byte {} is not UTF-8", what, at));
  Result<jinja::Template> program = jinja::parse_template(source);
  if (!program.ok()) return program.status().with_context(what);
  return Program{std::move(source), std::string(what), std::make_shared<const jinja::Template>(std::move(program).value())};
}

const Result<ChatTemplate::Program>* ChatTemplate::tools_program(const json::Value& variables) const {
  return for_tools_ && json::find(variables, "tools") != nullptr ? &*for_tools_ : nullptr;
}

const std::string& ChatTemplate::source_for(const json::Value& variables) const {
  const Result<Program>* tools = tools_program(variables);
  return tools != nullptr && tools->ok() ? tools->value().source : main_.source;
}

Result<std::vector<TemplateSegment>> ChatTemplate::render_segments(const json::Value& variables, const Moment& now) const {
  const Result<Program>* tools = tools_program(variables);
  if (tools != nullptr) JANG_TRY(tools->status());
  const Program& program = tools != nullptr ? tools->value() : main_;
  try {
    const Result<Text> text = run(*program.compiled, variables, special_tokens_, now, max_steps_);
    if (!text.ok()) return text.status().with_context(program.what);
    return to_segments(text.value());
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::out_of_memory, fmt::format("{}: no memory to render", program.what));
  }
}

Result<std::string> ChatTemplate::render(const json::Value& variables, const Moment& now) const {
  JANG_ASSIGN(const std::vector<TemplateSegment> segments, render_segments(variables, now));
  std::string out;
  for (const TemplateSegment& segment : segments) out += segment.text;
  return out;
}

void ChatTemplate::set_special_token(std::string_view name, std::string_view text) {
  const std::string valid = utf8::replace_invalid_bytes(text);
  for (auto& [known, value] : special_tokens_) {
    if (known == name) {
      value = valid;
      return;
    }
  }
  special_tokens_.emplace_back(std::string(name), valid);
}

bool ChatTemplate::reads(std::string_view name) const {
  if (jinja::find_name(*main_.compiled, name) >= 0) return true;
  return for_tools_ && for_tools_->ok() && jinja::find_name(*for_tools_->value().compiled, name) >= 0;
}

}  // namespace jang::text
