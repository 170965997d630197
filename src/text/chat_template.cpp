// SPDX-License-Identifier: Apache-2.0
// Variables in, text out. JSON becomes the engine's values with every string and key marked as input; only variables that the template
// reads are converted.
#include "text/chat_template.h"

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <optional>

#include <fmt/format.h>

#include "base/file.h"
#include "base/lfs_pointer.h"
#include "base/utf8.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/syntax/statement_parser.h"
#include "text/tokenizer_config.h"

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

// --- where a model directory keeps its template: newer checkpoints have chat_template.jinja, which wins; processors wrote
// chat_template.json; the classical place is tokenizer_config.json

namespace {

constexpr std::array<std::string_view, 7> kSpecialTokens = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                            "pad_token", "cls_token", "mask_token"};

struct Source {
  std::string text, what;
};

// The template of this name in a list of them, nullptr when there is none.
const json::Value* named_template(const json::Value& list, std::string_view wanted) {
  for (const json::Value& entry : list)
    if (const json::Value* name = json::find(entry, "name"); name != nullptr && *name == wanted) return json::find(entry, "template");
  return nullptr;
}

// The template in the member chat_template: text, or [{"name": ..., "template": ...}].
Result<std::optional<std::string>> member_template(const json::Value& config, const std::string& path) {
  const json::Value* member = json::find(config, "chat_template");
  if (member == nullptr) return std::optional<std::string>();
  if (member->is_string()) return std::optional(member->get<std::string>());
  const Status wrong(StatusCode::corrupt, fmt::format("{}: chat_template is neither text nor a list of named templates", path));
  if (!member->is_array() || member->empty()) return wrong;
  const json::Value* chosen = nullptr;
  for (const json::Value& entry : *member) {
    const json::Value* name = json::find(entry, "name");
    if (chosen == nullptr || (name != nullptr && *name == "default")) chosen = &entry;
  }
  const json::Value* text = json::find(*chosen, "template");
  if (text == nullptr || !text->is_string()) return wrong;
  return std::optional(text->get<std::string>());
}

// not_found is no error here: nullopt.
Result<std::optional<json::Value>> read_optional(const std::string& path) {
  Result<json::Value> value = json::parse_file(path, {.dialect = json::Dialect::python});
  if (value.ok()) return std::optional(std::move(value).value());
  if (value.status().code() == StatusCode::not_found) return std::optional<json::Value>();
  return value.status();
}

Result<Source> find_source(const std::string& directory, const std::optional<json::Value>& config) {
  const std::string jinja_path = directory + "/chat_template.jinja";
  Result<std::string> text = read_text(jinja_path, ChatTemplate::kMaxSourceBytes);
  if (text.ok()) {
    JANG_TRY(check_no_lfs_pointer(*text, jinja_path));
    return Source{std::move(text).value(), jinja_path};
  }
  if (text.status().code() != StatusCode::not_found) return text.status();

  const std::string json_path = directory + "/chat_template.json";
  JANG_ASSIGN(const std::optional<json::Value> own, read_optional(json_path));
  if (own) {
    JANG_ASSIGN(std::optional<std::string> found, member_template(*own, json_path));
    if (found) return Source{std::move(*found), json_path};
  }
  const std::string config_path = directory + "/tokenizer_config.json";
  if (config) {
    JANG_ASSIGN(std::optional<std::string> found, member_template(*config, config_path));
    if (found) return Source{std::move(*found), config_path + ": chat_template"};
  }
  return Status(StatusCode::not_found,
                fmt::format("{}: no chat template (no chat_template.jinja, chat_template.json, or chat_template in tokenizer_config.json)",
                            directory));
}

// The template for variables with tools. A template in a file of its own, "default" or not, is preferred to all in tokenizer_config.json.
Result<std::optional<Source>> find_tools_source(const std::string& directory, const Source& main,
                                                const std::optional<json::Value>& config) {
  const std::string path = directory + "/additional_chat_templates/tool_use.jinja";
  Result<std::string> text = read_text(path, ChatTemplate::kMaxSourceBytes);
  if (text.ok()) {
    JANG_TRY(check_no_lfs_pointer(*text, path));
    return std::optional(Source{std::move(text).value(), path});
  }
  if (text.status().code() != StatusCode::not_found) return text.status();
  if (!config || !main.what.starts_with(directory + "/tokenizer_config.json")) return std::optional<Source>();
  const json::Value* member = json::find(*config, "chat_template");
  const json::Value* found = member != nullptr && member->is_array() ? named_template(*member, "tool_use") : nullptr;
  if (found == nullptr || !found->is_string()) return std::optional<Source>();
  return std::optional(Source{found->get<std::string>(), main.what + ": tool_use"});
}

// "<s>", or {"content": "<s>", ...} as added tokens are written.
std::optional<std::string> token_text(const json::Value& config, std::string_view name) {
  const json::Value* member = json::find(config, name);
  if (member == nullptr) return std::nullopt;
  if (member->is_object()) member = json::find(*member, "content");
  if (member == nullptr || !member->is_string()) return std::nullopt;
  return member->get<std::string>();
}

}  // namespace

Result<ChatTemplate> ChatTemplate::load(const std::string& model_directory) {
  JANG_ASSIGN(const std::optional<json::Value> config, read_optional(model_directory + "/tokenizer_config.json"));
  JANG_ASSIGN(Source source, find_source(model_directory, config));
  Result<std::optional<Source>> tools = find_tools_source(model_directory, source, config);
  JANG_ASSIGN(ChatTemplate made, parse(std::move(source.text), source.what));
  if (!tools.ok())
    made.for_tools_ = tools.status();
  else if (*tools)
    made.for_tools_ = compile(std::move((*tools)->text), (*tools)->what);
  JANG_ASSIGN(const std::optional<json::Value> map, read_optional(model_directory + "/special_tokens_map.json"));
  for (const std::string_view name : kSpecialTokens) {
    std::optional<std::string> text;
    if (config) text = token_text(*config, name);
    if (!text && map) text = token_text(*map, name);
    if (text) made.set_special_token(name, *text);
  }
  return made;
}

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
