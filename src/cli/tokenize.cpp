// SPDX-License-Identifier: Apache-2.0
// `jang tokenize`: text to ids and back, as the model's tokenizer.json says. With --jsonl many texts in one run: each line of the input is
// a JSON string (with --decode an array of ids), each line of the output a document.
#include "cli/tokenize.h"

#include <charconv>
#include <filesystem>
#include <limits>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/json.h"
#include "jang/text_input.h"
#include "jang/tokenizer.h"

namespace jang::cli {
namespace {

constexpr std::size_t kMaxInputBytes = std::size_t{1} << 30;

Result<std::string> read_input(const Arguments& arguments) {
  if (arguments.has("--prompt") && arguments.has("--file"))
    return Status(StatusCode::invalid_argument, "--prompt and --file contradict each other");
  if (arguments.has("--prompt")) return arguments.value("--prompt");
  return read_text_input(arguments.has("--file") ? arguments.value("--file") : "-", kMaxInputBytes);
}

Status bad_id(std::string_view text) {
  return {StatusCode::corrupt, fmt::format("{} is not a token id; ids are separated by white space or commas", quote(text, 32))};
}

// "[1, 2]", "1,2" and "1 2" alike.
Result<std::vector<std::int32_t>> parse_ids(std::string_view text) {
  constexpr std::string_view kSeparators = " \t\r\n,[]";
  std::vector<std::int32_t> ids;
  for (std::size_t at = 0; (at = text.find_first_not_of(kSeparators, at)) != std::string_view::npos;) {
    const std::string_view word = text.substr(at, text.find_first_of(kSeparators, at) - at);
    std::int32_t id = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || end != word.data() + word.size() || id < 0) return bad_id(word);
    ids.push_back(id);
    at += word.size();
  }
  return ids;
}

class Task {
 public:
  Task(const Tokenizer& tokenizer, const Arguments& arguments)
      : tokenizer_(tokenizer),
        decode_(arguments.has("--decode")),
        json_(arguments.has("--json")),
        no_special_(arguments.has("--no-special")),
        options_{.add_special_tokens = !no_special_, .parse_special = !arguments.has("--plain")} {}

  // What to print for one input.
  Result<std::string> answer(const std::string& input) const {
    if (decode_) {
      JANG_ASSIGN(const std::vector<std::int32_t> ids, parse_ids(input));
      const std::string text = tokenizer_.decode(ids, no_special_);
      return json_ ? dump(decoded_document(ids, text), 2) + "\n" : text + "\n";
    }
    JANG_ASSIGN(const std::vector<std::int32_t> ids, tokenizer_.encode(input, options_));
    if (json_) return dump(encoded_document(ids, true), 2) + "\n";
    return fmt::format("{}\n", fmt::join(ids, " "));
  }

  // A document a line.
  Result<std::string> answer_lines(std::string_view input) const {
    std::string out;
    for (std::size_t number = 1; !input.empty(); ++number) {
      const std::string_view line = input.substr(0, input.find('\n'));
      input.remove_prefix(std::min(line.size() + 1, input.size()));
      const std::string where = fmt::format("line {}", number);
      JANG_ASSIGN(const std::string checked, normalize_json(line, where, kMaxInputBytes));
      const Json value = parse_document(checked);
      Result<Json> document = decode_ ? decode_line(value) : encode_line(value);
      if (!document.ok()) return document.status().with_context(where);
      out += dump(*document) + "\n";
    }
    return out;
  }

 private:
  Result<Json> encode_line(const Json& value) const {
    if (!value.is_string()) return Status(StatusCode::corrupt, "not a JSON string");
    JANG_ASSIGN(const std::vector<std::int32_t> ids, tokenizer_.encode(value.get<std::string>(), options_));
    return encoded_document(ids, false);
  }

  Result<Json> decode_line(const Json& value) const {
    if (!value.is_array()) return Status(StatusCode::corrupt, "not a JSON array of ids");
    JANG_ASSIGN(const std::vector<std::int32_t> ids, parse_ids(dump(value)));
    return decoded_document(ids, tokenizer_.decode(ids, no_special_));
  }

  Json encoded_document(const std::vector<std::int32_t>& ids, bool with_tokens) const {
    Json v = new_document();
    v["count"] = ids.size();
    v["ids"] = ids;
    if (!with_tokens) return v;
    Json tokens = Json::array();
    for (const std::int32_t id : ids) tokens.push_back(std::string(tokenizer_.token_text(id)));
    v["tokens"] = std::move(tokens);
    return v;
  }

  static Json decoded_document(const std::vector<std::int32_t>& ids, const std::string& text) {
    Json v = new_document();
    v["count"] = ids.size();
    v["text"] = text;
    return v;
  }

  const Tokenizer& tokenizer_;
  bool decode_, json_, no_special_;
  EncodeOptions options_;
};

Result<Tokenizer> open(const std::string& typed, const Surroundings& surroundings) {
  std::error_code error;
  if (std::filesystem::is_regular_file(typed, error)) return Tokenizer::open(typed);
  JANG_ASSIGN(const std::string directory, find_model(typed, surroundings.hub));
  return Tokenizer::open(directory);
}

}  // namespace

int run_tokenize(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string typed = arguments.value("MODEL");
  const bool color = surroundings.stderr_color;
  const Result<Tokenizer> tokenizer = open(typed, surroundings);
  if (!tokenizer.ok()) return fail(fmt::format("cannot open {}", typed), "tokenize", as_input_failure(tokenizer.status()), color);
  const Result<std::string> input = read_input(arguments);
  if (!input.ok()) return fail("cannot read the input", "tokenize", input.status(), color);
  const Task task(tokenizer.value(), arguments);
  const Result<std::string> answer = arguments.has("--jsonl") ? task.answer_lines(input.value()) : task.answer(input.value());
  if (!answer.ok()) return fail("cannot tokenize the input", "tokenize", as_input_failure(answer.status()), color);
  return finish(answer.value(), surroundings);
}

}  // namespace jang::cli
