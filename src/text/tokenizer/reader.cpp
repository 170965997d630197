// SPDX-License-Identifier: Apache-2.0
// Reads tokenizer.json. The vocabulary, the merges and the added tokens, which are nearly all of the file, are taken from simdjson's tape
// directly; the small sections become json::Value, with its checks, and are read by their own parsers.
#include "text/tokenizer/reader.h"

#include <cstring>
#include <filesystem>
#include <memory>
#include <new>
#include <span>

#include <fmt/format.h>
#include <simdjson.h>

#include "base/corrupt.h"
#include "base/file.h"
#include "base/lfs_pointer.h"
#include "json/json.h"
#include "text/tokenizer/models/bpe.h"
#include "text/tokenizer/models/unigram.h"
#include "text/tokenizer/models/wordpiece.h"
#include "text/tokenizer/pipeline.h"

namespace jang::text {

namespace dom = simdjson::dom;

namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{256} << 20;
constexpr std::size_t kMaxDepth = 64;

// Keys of an object that must be unique: a file in which two readers may see two things is refused.
Status check_keys(const dom::object& object) {
  std::vector<std::string_view> keys;
  for (const dom::key_value_pair& member : object) keys.push_back(member.key);
  if (const auto i = json::find_duplicate(keys)) return corrupt(fmt::format("key {} occurs twice in one object", json::quote(keys[*i])));
  return {};
}

// A small section as a value.
Result<json::Value> to_value(const dom::element& section) {
  const std::string text = simdjson::minify(section);
  return json::parse(text, "section", {.max_bytes = kMaxFileBytes});
}

// Members of the model object, null ones absent.
class Members {
 public:
  explicit Members(const dom::object& object) : object_(object) {}
  [[nodiscard]] std::optional<dom::element> find(std::string_view key) const {
    dom::element value;
    if (object_.at_key(key).get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
    return value;
  }
  Result<std::optional<std::string>> text(std::string_view key) const {
    const auto value = find(key);
    if (!value) return std::optional<std::string>();
    std::string_view text;
    if (value->get(text) != simdjson::SUCCESS) return corrupt(fmt::format("{} must be a string", key));
    return std::optional<std::string>(text);
  }
  Result<bool> flag(std::string_view key, bool fallback) const {
    const auto value = find(key);
    bool flag = fallback;
    if (value && value->get(flag) != simdjson::SUCCESS) return corrupt(fmt::format("{} must be true or false", key));
    return flag;
  }

 private:
  dom::object object_;
};

Result<Vocabulary> read_vocabulary(const Members& model) {
  const auto section = model.find("vocab");
  dom::object pieces;
  if (!section || section->get(pieces) != simdjson::SUCCESS) return corrupt("vocab must be an object");
  Vocabulary vocabulary;
  std::size_t n = 0, n_bytes = 0;
  for (const dom::key_value_pair& member : pieces) {
    ++n;
    n_bytes += member.key.size();
  }
  vocabulary.reserve(n, n_bytes);
  for (const dom::key_value_pair& member : pieces) {
    std::int64_t id = 0;
    if (member.value.get(id) != simdjson::SUCCESS)
      return corrupt(fmt::format("vocab: the id of {} is not an integer", json::quote(member.key, 64)));
    JANG_TRY(vocabulary.add(member.key, id).with_context("vocab"));
  }
  return vocabulary;
}

// "a b" or ["a", "b"].
Result<MergeList> read_merges(const Members& model) {
  const auto section = model.find("merges");
  dom::array list;
  if (!section || section->get(list) != simdjson::SUCCESS) return corrupt("merges must be an array");
  MergeList merges;
  merges.reserve(list.size());
  for (const dom::element item : list) {
    const auto bad = [&] { return corrupt(fmt::format("merge {} is not two pieces", merges.size())); };
    std::string_view text;
    if (item.get(text) == simdjson::SUCCESS) {
      if (text.starts_with("#version")) continue;
      const std::size_t space = text.find(' ');
      if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) return bad();
      merges.emplace_back(text.substr(0, space), text.substr(space + 1));
      continue;
    }
    dom::array pair;
    std::string_view left, right;
    if (item.get(pair) != simdjson::SUCCESS || pair.size() != 2 || pair.at(0).get(left) != simdjson::SUCCESS ||
        pair.at(1).get(right) != simdjson::SUCCESS)
      return bad();
    merges.emplace_back(left, right);
  }
  return merges;
}

Result<std::unique_ptr<Model>> read_bpe(const Members& model) {
  BpeOptions options;
  JANG_ASSIGN(options.unk_token, model.text("unk_token"));
  JANG_ASSIGN(options.continuing_subword_prefix, model.text("continuing_subword_prefix"));
  JANG_ASSIGN(options.end_of_word_suffix, model.text("end_of_word_suffix"));
  JANG_ASSIGN(options.fuse_unk, model.flag("fuse_unk", false));
  JANG_ASSIGN(options.byte_fallback, model.flag("byte_fallback", false));
  JANG_ASSIGN(options.ignore_merges, model.flag("ignore_merges", false));
  if (options.continuing_subword_prefix && options.continuing_subword_prefix->empty()) options.continuing_subword_prefix.reset();
  if (options.end_of_word_suffix && options.end_of_word_suffix->empty()) options.end_of_word_suffix.reset();
  JANG_ASSIGN(const MergeList merges, read_merges(model));
  JANG_ASSIGN(Vocabulary vocabulary, read_vocabulary(model));
  return make_bpe(std::move(vocabulary), merges, options);
}

Result<std::unique_ptr<Model>> read_unigram(const Members& model) {
  const auto section = model.find("vocab");
  dom::array list;
  if (!section || section->get(list) != simdjson::SUCCESS) return corrupt("vocab must be an array");
  Vocabulary vocabulary;
  std::vector<double> scores;
  for (const dom::element item : list) {
    dom::array pair;
    std::string_view text;
    double score = 0;
    if (item.get(pair) != simdjson::SUCCESS || pair.size() != 2 || pair.at(0).get(text) != simdjson::SUCCESS ||
        pair.at(1).get(score) != simdjson::SUCCESS)
      return corrupt(fmt::format("vocab: item {} is not a piece and its score", scores.size()));
    JANG_TRY(vocabulary.add(text, static_cast<std::int64_t>(scores.size())).with_context("vocab"));
    scores.push_back(score);
  }
  std::optional<std::int32_t> unk_id;
  if (const auto value = model.find("unk_id")) {
    std::int64_t id = 0;
    if (value->get(id) != simdjson::SUCCESS || id < 0 || id > Vocabulary::kMaxId) return corrupt("unk_id is not an id");
    unk_id = static_cast<std::int32_t>(id);
  }
  JANG_ASSIGN(const bool byte_fallback, model.flag("byte_fallback", false));
  return make_unigram(std::move(vocabulary), std::move(scores), unk_id, byte_fallback);
}

Result<std::unique_ptr<Model>> read_wordpiece(const Members& model) {
  WordPieceOptions options;
  JANG_ASSIGN(const auto unk_token, model.text("unk_token"));
  JANG_ASSIGN(const auto prefix, model.text("continuing_subword_prefix"));
  options.unk_token = unk_token.value_or(options.unk_token);
  options.continuing_subword_prefix = prefix.value_or(options.continuing_subword_prefix);
  if (const auto value = model.find("max_input_chars_per_word"); value && value->get(options.max_input_chars_per_word) != simdjson::SUCCESS)
    return corrupt("max_input_chars_per_word must be a whole number");
  JANG_ASSIGN(Vocabulary vocabulary, read_vocabulary(model));
  return make_wordpiece(std::move(vocabulary), options);
}

Result<std::unique_ptr<Model>> read_wordlevel(const Members& model) {
  JANG_ASSIGN(const auto unk_token, model.text("unk_token"));
  JANG_ASSIGN(Vocabulary vocabulary, read_vocabulary(model));
  return make_wordlevel(std::move(vocabulary), unk_token.value_or("<unk>"));
}

// Files older than the "type" key are told apart by their members.
std::string guess_type(const Members& model) {
  if (model.find("merges")) return "BPE";
  if (const auto vocab = model.find("vocab"); vocab && vocab->is_array()) return "Unigram";
  return model.find("continuing_subword_prefix") ? "WordPiece" : "WordLevel";
}

Result<std::unique_ptr<Model>> read_model(const dom::element& section) {
  dom::object object;
  if (section.get(object) != simdjson::SUCCESS) return corrupt("must be an object");
  JANG_TRY(check_keys(object));
  const Members model(object);
  JANG_ASSIGN(const auto given, model.text("type"));
  const std::string type = given ? *given : guess_type(model);
  if (type == "BPE") return read_bpe(model);
  if (type == "Unigram") return read_unigram(model);
  if (type == "WordPiece") return read_wordpiece(model);
  if (type == "WordLevel") return read_wordlevel(model);
  return Status(StatusCode::unsupported, fmt::format("models of type {} are not handled", json::quote(type, 64)));
}

Result<std::vector<AddedToken>> read_added_tokens(const dom::element& section) {
  std::vector<AddedToken> tokens;
  if (section.is_null()) return tokens;
  dom::array list;
  if (section.get(list) != simdjson::SUCCESS) return corrupt("must be an array");
  for (const dom::element item : list) {
    const auto bad = [&](std::string_view why) { return corrupt(fmt::format("item {} {}", tokens.size(), why)); };
    dom::object object;
    if (item.get(object) != simdjson::SUCCESS) return bad("is not an object");
    AddedToken token;
    bool has_content = false;
    for (const dom::key_value_pair& member : object) {
      bool* flag = member.key == "single_word"  ? &token.single_word
                   : member.key == "lstrip"     ? &token.lstrip
                   : member.key == "rstrip"     ? &token.rstrip
                   : member.key == "normalized" ? &token.normalized
                   : member.key == "special"    ? &token.special
                                                : nullptr;
      if (flag != nullptr && member.value.get(*flag) != simdjson::SUCCESS) return bad("has a flag that is not true or false");
      if (member.key != "content") continue;
      std::string_view content;
      if (has_content || member.value.get(content) != simdjson::SUCCESS) return bad("has no proper content");
      token.content = content;
      has_content = true;
    }
    if (!has_content) return bad("has no content");
    if (token.content.size() > Vocabulary::kMaxPieceBytes) return bad("is too long");
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace

struct TokenizerReader::Steps {
  static Result<Tokenizer> read(const dom::element& root, const TokenizerConfig& config) {
    dom::object object;
    if (root.get(object) != simdjson::SUCCESS) return corrupt("must be an object");
    JANG_TRY(check_keys(object));
    auto parts = std::make_unique<Tokenizer::Parts>();
    const auto read_section = [&](std::string_view key, auto parse) { return Steps::read_section(object, key, config, parse); };
    JANG_TRY(read_section("normalizer", [&](const json::Value& v) { return set(parts->normalizer, Normalizer::parse(v)); }));
    JANG_TRY(read_section("pre_tokenizer", [&](const json::Value& v) { return set(parts->pre_tokenizer, PreTokenizer::parse(v)); }));
    JANG_TRY(read_section("post_processor", [&](const json::Value& v) { return set(parts->post_processor, PostProcessor::parse(v)); }));
    JANG_TRY(read_section("decoder", [&](const json::Value& v) { return set(parts->decoder, Decoder::parse(v)); }));

    dom::element section;
    if (object.at_key("model").get(section) != simdjson::SUCCESS) return corrupt("has no model");
    Result<std::unique_ptr<Model>> model = read_model(section);
    if (!model.ok()) return model.status().with_context("model");
    parts->model = std::move(model).value();
    JANG_TRY(read_added(object, config, *parts).with_context("added_tokens"));
    for (const std::int32_t id : parts->post_processor.added_ids())
      if (parts->added.at(id) == nullptr && !parts->model->vocabulary().has(id))
        return corrupt(fmt::format("post_processor: there is no token with id {}", id));
    Tokenizer tokenizer;
    tokenizer.parts_ = std::move(parts);
    return tokenizer;
  }

  template <typename T>
  static Status set(T& to, Result<T> from) {
    if (!from.ok()) return from.status();
    to = std::move(from).value();
    return {};
  }

  template <typename Parse>
  static Status read_section(const dom::object& root, std::string_view key, const TokenizerConfig& config, Parse parse) {
    dom::element section;
    json::Value value;
    if (root.at_key(key).get(section) == simdjson::SUCCESS) {
      JANG_ASSIGN(value, to_value(section));
    }
    config.edit_section(key, value);
    return parse(value).with_context(key);
  }

  static Status read_added(const dom::object& root, const TokenizerConfig& config, Tokenizer::Parts& parts) {
    dom::element section;
    std::vector<AddedToken> tokens;
    if (root.at_key("added_tokens").get(section) == simdjson::SUCCESS) {
      JANG_ASSIGN(tokens, read_added_tokens(section));
    }
    std::vector<AddedToken> more = tokens;
    config.append_to(more);
    if (more.size() > tokens.size()) {
      // Tokens from the side may clash with those of the file once both are normalized; then the file stands alone.
      Result<AddedTokens> all = AddedTokens::make(std::move(more), parts.model->vocabulary(), parts.normalizer);
      if (all.ok()) return set(parts.added, std::move(all));
    }
    return set(parts.added, AddedTokens::make(std::move(tokens), parts.model->vocabulary(), parts.normalizer));
  }
};

Result<Tokenizer> TokenizerReader::read(std::string_view text, std::string_view what, const TokenizerConfig& config, bool padded) {
  JANG_TRY(check_no_lfs_pointer(text, what));
  if (text.size() > kMaxFileBytes)
    return Status(StatusCode::invalid_argument, fmt::format("{}: {} bytes; at most {} are accepted", what, text.size(), kMaxFileBytes));
  try {
    dom::parser parser;
    constexpr std::size_t kMinCapacity = 64;  // simdjson rounds smaller requests up and would then forget the depth asked for
    auto error = parser.allocate(std::max(text.size(), kMinCapacity), kMaxDepth);
    dom::element root;
    if (error == simdjson::SUCCESS) error = parser.parse(text.empty() ? "" : text.data(), text.size(), !padded).get(root);
    if (error == simdjson::MEMALLOC) return Status(StatusCode::out_of_memory, fmt::format("{}: no memory to parse it", what));
    if (error == simdjson::DEPTH_ERROR) return corrupt(fmt::format("{}: nested deeper than {} levels", what, kMaxDepth));
    if (error != simdjson::SUCCESS)
      return corrupt(fmt::format("{}: not valid JSON{}: {}", what, json::locate_syntax_error(text), simdjson::error_message(error)));
    Result<Tokenizer> tokenizer = Steps::read(root, config);
    if (!tokenizer.ok()) return tokenizer.status().with_context(what);
    return tokenizer;
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::out_of_memory, fmt::format("{}: no memory for the tokenizer", what));
  }
}

namespace {

Result<Tokenizer> load_file(const std::string& file, const TokenizerConfig& config) {
  JANG_ASSIGN(const InputFile input, InputFile::open(file));
  if (input.size() > kMaxFileBytes)
    return Status(StatusCode::invalid_argument,
                  fmt::format("'{}' has {} bytes; at most {} are accepted", file, input.size(), kMaxFileBytes));
  const auto size = static_cast<std::size_t>(input.size());
  // Not a string, whose bytes would be written twice.
  const std::unique_ptr<char[]> bytes(new (std::nothrow) char[size + simdjson::SIMDJSON_PADDING]);
  if (bytes == nullptr) return Status(StatusCode::out_of_memory, fmt::format("cannot read '{}': no memory for its {} bytes", file, size));
  std::memset(bytes.get() + size, 0, simdjson::SIMDJSON_PADDING);
  JANG_TRY(input.read_at(0, std::as_writable_bytes(std::span(bytes.get(), size))));
  return TokenizerReader::read({bytes.get(), size}, file, config, true);
}

// The vocabulary files of other formats that a directory without tokenizer.json holds, "tokenizer.model and vocab.json"; empty: none.
std::string other_vocabularies(const std::filesystem::path& directory) {
  std::string found;
  std::error_code error;
  for (const char* name :
       {"tokenizer.model", "tiktoken.model", "tekken.json", "spiece.model", "sentencepiece.bpe.model", "vocab.json", "vocab.txt"})
    if (std::filesystem::exists(directory / name, error)) found += (found.empty() ? "" : " and ") + std::string(name);
  return found;
}

// A vocabulary under a name of its own ("qwen.tiktoken"), which code of the model's reads; empty: none.
std::string own_vocabulary(const std::filesystem::path& directory) {
  std::error_code error;
  std::string found;  // the first by name
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (entry->path().extension() == ".tiktoken" && (found.empty() || name < found)) found = name;
  }
  return found;
}

Status no_tokenizer(const std::string& directory) {
  const std::string others = other_vocabularies(directory);
  if (const std::string own = own_vocabulary(directory); others.empty() && !own.empty())
    return {StatusCode::unsupported,
            fmt::format("'{}' holds no tokenizer.json, only {}, which cannot be read here; code that comes with the model reads it, and "
                        "transformers makes no tokenizer.json of it: take a release of the model that has one",
                        directory, json::quote(own))};
  if (others.empty())
    return {StatusCode::not_found, fmt::format("'{}' holds no tokenizer.json; fetch it from where the model comes from", directory)};
  return {StatusCode::unsupported,
          fmt::format("'{0}' holds no tokenizer.json, only {1}, which cannot be read here; make one with transformers: python3 -c "
                      "\"from transformers import AutoTokenizer as A; A.from_pretrained('{0}').save_pretrained('{0}')\"",
                      directory, others)};
}

}  // namespace

Result<Tokenizer> Tokenizer::parse(std::string_view json_text, std::string_view what) { return parse(json_text, what, TokenizerConfig()); }

Result<Tokenizer> Tokenizer::parse(std::string_view json_text, std::string_view what, const TokenizerConfig& config) {
  return TokenizerReader::read(json_text, what, config, false);
}

Result<Tokenizer> Tokenizer::load(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return load_file(path, TokenizerConfig());
  const std::string file = (std::filesystem::path(path) / "tokenizer.json").string();
  if (!std::filesystem::exists(file, error)) return no_tokenizer(path);
  JANG_ASSIGN(const TokenizerConfig config, TokenizerConfig::read(path));
  return load_file(file, config);
}

}  // namespace jang::text
