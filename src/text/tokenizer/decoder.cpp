// SPDX-License-Identifier: Apache-2.0
// The components as stages. What each holds back: ByteLevel an incomplete character, ByteFallback a run of byte tokens (they are one text
// or none), Replace the beginning of a match, Strip the trailing characters it may have to drop, BPEDecoder the last token.
#include "text/tokenizer/decoder.h"

#include <array>

#include "base/utf8.h"
#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/decode_stage.h"
#include "text/tokenizer/pattern.h"
#include "text/tokenizer/section.h"

namespace jang::text {
namespace {

class Output final : public DecodeStage {
 public:
  explicit Output(std::string* to) : DecodeStage(nullptr), to_(to) {}
  void feed(std::string_view part, bool, bool) override { *to_ += part; }
  void finish() override {}

 private:
  std::string* to_;
};

// What happens without a decoder.
class JoinWithSpaces final : public DecodeStage {
 public:
  using DecodeStage::DecodeStage;
  void feed(std::string_view part, bool begins, bool ends) override {
    if (begins && !first_) next_->feed(" ", true, true);
    first_ = false;
    next_->feed(part, begins, ends);
  }

 private:
  bool first_ = true;
};

class Fuse final : public DecodeStage {
 public:
  using DecodeStage::DecodeStage;
  void feed(std::string_view part, bool, bool) override {
    next_->feed(part, first_, false);
    first_ = false;
  }
  void finish() override {
    next_->feed("", first_, true);
    next_->finish();
  }

 private:
  bool first_ = true;
};

class ByteLevelDecode final : public WholeTokenStage {
 public:
  using WholeTokenStage::WholeTokenStage;
  void token(std::string_view text) override {
    if (!byte_level::append_decoded(bytes_, text)) bytes_ += text;
    const std::size_t tail = utf8::incomplete_tail(bytes_);
    emit(bytes_.size() - tail, false);
  }
  void finish() override {
    emit(bytes_.size(), true);
    next_->finish();
  }

 private:
  void emit(std::size_t n, bool ends) {
    const std::string_view part = std::string_view(bytes_).substr(0, n);
    if (utf8::is_valid(part))
      next_->feed(part, first_, ends);
    else
      next_->feed(utf8::replace_invalid(part), first_, ends);
    first_ = false;
    bytes_.erase(0, n);
  }
  std::string bytes_;
  bool first_ = true;
};

class ByteFallback final : public WholeTokenStage {
 public:
  using WholeTokenStage::WholeTokenStage;
  void token(std::string_view text) override {
    if (const int byte = byte_of(text); byte >= 0) {
      bytes_ += static_cast<char>(byte);
      return;
    }
    flush();
    pass(text);
  }
  void finish() override {
    flush();
    next_->finish();
  }

 private:
  // "<0x41>" to 0x41; -1 for other texts. Like the library's number parser, a sign may stand for the first digit.
  static int byte_of(std::string_view text) {
    if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
    const auto digit = [](char c) {
      return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    };
    const int high = text[3] == '+' ? 0 : digit(text[3]), low = digit(text[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
  }
  void flush() {
    if (bytes_.empty()) return;
    if (utf8::is_valid(bytes_)) {
      pass(bytes_);
    } else {
      for (std::size_t i = 0; i < bytes_.size(); ++i) pass(utf8::kReplacement);
    }
    bytes_.clear();
  }
  std::string bytes_;
};

class MetaspaceDecode final : public DecodeStage {
 public:
  MetaspaceDecode(DecodeStage* next, char32_t replacement, bool drops_first) : DecodeStage(next), drops_first_(drops_first) {
    utf8::append(replacement_, replacement);
  }
  void feed(std::string_view part, bool begins, bool ends) override {
    std::string out;
    for (std::size_t at = 0; at < part.size();) {
      const std::size_t found = std::min(part.find(replacement_, at), part.size());
      out += part.substr(at, found - at);
      if (found < part.size() && !(first_ && drops_first_)) out += ' ';
      at = found + replacement_.size();
    }
    if (ends) first_ = false;
    next_->feed(out, begins, ends);
  }

 private:
  std::string replacement_;
  bool drops_first_, first_ = true;
};

class ReplaceText final : public DecodeStage {
 public:
  ReplaceText(DecodeStage* next, std::string text, std::string content)
      : DecodeStage(next), text_(std::move(text)), content_(std::move(content)) {}
  void feed(std::string_view part, bool begins, bool ends) override {
    pending_ += part;
    std::string out;
    std::size_t done = 0;
    for (std::size_t at; (at = pending_.find(text_, done)) != std::string::npos; done = at + text_.size()) {
      out.append(pending_, done, at - done);
      out += content_;
    }
    const std::size_t keep = ends ? 0 : beginning_at_end(std::string_view(pending_).substr(done));
    out.append(pending_, done, pending_.size() - keep - done);
    pending_.erase(0, pending_.size() - keep);
    next_->feed(out, begins, ends);
  }

 private:
  // Length of the longest end of `text` that is a beginning of text_.
  [[nodiscard]] std::size_t beginning_at_end(std::string_view text) const {
    std::size_t n = std::min(text.size(), text_.size() - 1);
    while (n > 0 && !text.ends_with(std::string_view(text_).substr(0, n))) --n;
    return n;
  }
  std::string text_, content_, pending_;
};

class ReplaceRegex final : public WholeTokenStage {
 public:
  ReplaceRegex(DecodeStage* next, Pattern pattern, std::string content)
      : WholeTokenStage(next), pattern_(std::move(pattern)), content_(std::move(content)) {}
  void token(std::string_view text) override {
    std::string out;
    std::size_t done = 0;
    const Status searched = pattern_.for_each_match(text, [&](const Match& m) {
      out += text.substr(done, m.begin - done);
      out += content_;
      done = m.end;
    });
    out += text.substr(done);
    pass(searched.ok() ? std::string_view(out) : text);
  }

 private:
  Pattern pattern_;
  std::string content_;
};

class StripDecode final : public DecodeStage {
 public:
  StripDecode(DecodeStage* next, char32_t content, std::size_t start, std::size_t stop)
      : DecodeStage(next), content_(content), start_(start), stop_(stop) {}
  void feed(std::string_view part, bool begins, bool ends) override {
    if (begins) {
      left_ = start_;
      held_ = 0;
    }
    std::string out;
    for (std::size_t at = 0; at < part.size();) {
      const char32_t c = utf8::next(part, at);
      if (c == content_ && left_ > 0) {
        --left_;
        continue;
      }
      left_ = 0;
      if (c == content_ && held_ < stop_) {
        ++held_;
        continue;
      }
      if (c != content_)
        for (; held_ > 0; --held_) utf8::append(out, content_);
      utf8::append(out, c);
    }
    next_->feed(out, begins, ends);
  }

 private:
  char32_t content_;
  std::size_t start_, stop_, left_ = 0, held_ = 0;
};

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (from.empty()) return;
  std::string out;
  std::size_t done = 0;
  for (std::size_t at; (at = text.find(from, done)) != std::string::npos; done = at + from.size()) {
    out.append(text, done, at - done);
    out += to;
  }
  if (done > 0) text = out.append(text, done);
}

// Undoes the spaces around English punctuation and contractions.
void clean_up(std::string& text) {
  constexpr std::array<std::array<std::string_view, 2>, 11> kRules = {{{" .", "."},
                                                                       {" ?", "?"},
                                                                       {" !", "!"},
                                                                       {" ,", ","},
                                                                       {" ' ", "'"},
                                                                       {" n't", "n't"},
                                                                       {" 'm", "'m"},
                                                                       {" do not", " don't"},
                                                                       {" 's", "'s"},
                                                                       {" 've", "'ve"},
                                                                       {" 're", "'re"}}};
  for (const auto& [from, to] : kRules) replace_all(text, from, to);
}

class WordPieceDecode final : public WholeTokenStage {
 public:
  WordPieceDecode(DecodeStage* next, std::string prefix, bool cleanup)
      : WholeTokenStage(next), prefix_(std::move(prefix)), cleanup_(cleanup) {}
  void token(std::string_view text) override {
    std::string out;
    if (!first_ && text.starts_with(prefix_))
      text.remove_prefix(prefix_.size());
    else if (!first_)
      out = ' ';
    out += text;
    first_ = false;
    if (cleanup_) clean_up(out);
    pass(out);
  }

 private:
  std::string prefix_;
  bool cleanup_, first_ = true;
};

class BpeDecode final : public WholeTokenStage {
 public:
  BpeDecode(DecodeStage* next, std::string suffix) : WholeTokenStage(next), suffix_(std::move(suffix)) {}
  void token(std::string_view text) override {
    if (any_) emit(" ");
    last_ = text;
    any_ = true;
  }
  void finish() override {
    if (any_) emit("");
    next_->finish();
  }

 private:
  void emit(std::string_view replacement) {
    if (suffix_.empty()) {  // as replacing the empty text does: before, between and behind all characters
      std::string out(replacement);
      for (std::size_t at = 0; at < last_.size();) {
        const std::size_t n = utf8::length_at(last_[at]);
        out.append(last_, at, n).append(replacement);
        at += n;
      }
      return pass(out);
    }
    replace_all(last_, suffix_, replacement);
    pass(last_);
  }
  std::string suffix_, last_;
  bool any_ = false;
};

class CtcDecode final : public WholeTokenStage {
 public:
  CtcDecode(DecodeStage* next, std::string pad, std::string delimiter, bool cleanup)
      : WholeTokenStage(next), pad_(std::move(pad)), delimiter_(std::move(delimiter)), cleanup_(cleanup) {}
  void token(std::string_view text) override {
    if (any_ && text == last_) return;
    last_ = text;
    any_ = true;
    std::string out(text);
    replace_all(out, pad_, "");
    if (cleanup_) {
      clean_up(out);
      replace_all(out, delimiter_, " ");
    }
    if (!out.empty()) pass(out);
  }

 private:
  std::string pad_, delimiter_, last_;
  bool cleanup_, any_ = false;
};

template <typename Stage>
MakeStage plain() {
  return [](DecodeStage* next) { return std::make_unique<Stage>(next); };
}

Result<MakeStage> make_replace(const json::Value& component) {
  JANG_ASSIGN(const PatternText from, get_pattern(component));
  JANG_ASSIGN(Pattern pattern, Pattern::make(from));
  JANG_ASSIGN(std::string content, json::get_string(component, "content", ""));
  if (pattern.regex())
    return MakeStage([pattern, content](DecodeStage* next) { return std::make_unique<ReplaceRegex>(next, pattern, content); });
  return MakeStage([text = pattern.literal(), content](DecodeStage* next) { return std::make_unique<ReplaceText>(next, text, content); });
}

Result<MakeStage> make_strip(const json::Value& component) {
  JANG_ASSIGN(const char32_t content, get_character(component, "content"));
  JANG_ASSIGN(const std::int64_t start, json::get_int(component, "start", 0, 0, 1 << 20));
  JANG_ASSIGN(const std::int64_t stop, json::get_int(component, "stop", 0, 0, 1 << 20));
  return MakeStage([=](DecodeStage* next) {
    return std::make_unique<StripDecode>(next, content, static_cast<std::size_t>(start), static_cast<std::size_t>(stop));
  });
}

Result<MakeStage> make_metaspace(const json::Value& component) {
  JANG_ASSIGN(const char32_t replacement, get_character(component, "replacement"));
  JANG_ASSIGN(const bool old_prefix, json::get_bool(component, "add_prefix_space", true));
  JANG_ASSIGN(const std::string scheme, json::get_string(component, "prepend_scheme", old_prefix ? "always" : "never"));
  return MakeStage(
      [replacement, drops = scheme != "never"](DecodeStage* next) { return std::make_unique<MetaspaceDecode>(next, replacement, drops); });
}

Result<MakeStage> make_stage(const json::Value& component, const std::string& type) {
  if (type == "ByteLevel") return plain<ByteLevelDecode>();
  if (type == "ByteFallback") return plain<ByteFallback>();
  if (type == "Fuse") return plain<Fuse>();
  if (type == "Replace") return make_replace(component);
  if (type == "Strip") return make_strip(component);
  if (type == "Metaspace") return make_metaspace(component);
  JANG_ASSIGN(const bool cleanup, json::get_bool(component, "cleanup", true));
  if (type == "WordPiece") {
    JANG_ASSIGN(const std::string prefix, json::get_string(component, "prefix", "##"));
    return MakeStage([=](DecodeStage* next) { return std::make_unique<WordPieceDecode>(next, prefix, cleanup); });
  }
  if (type == "BPEDecoder") {
    JANG_ASSIGN(const std::string suffix, json::get_string(component, "suffix", "</w>"));
    return MakeStage([=](DecodeStage* next) { return std::make_unique<BpeDecode>(next, suffix); });
  }
  if (type == "CTC") {
    JANG_ASSIGN(const std::string pad, json::get_string(component, "pad_token", "<pad>"));
    JANG_ASSIGN(const std::string delimiter, json::get_string(component, "word_delimiter_token", "|"));
    return MakeStage([=](DecodeStage* next) { return std::make_unique<CtcDecode>(next, pad, delimiter, cleanup); });
  }
  return unknown_component(type);
}

}  // namespace

Result<Decoder> Decoder::parse(const json::Value& section) {
  Decoder decoder;
  JANG_TRY(for_each_component(section, "decoders", [&](const json::Value& component, const std::string& type) -> Status {
    JANG_ASSIGN(MakeStage maker, make_stage(component, type));
    decoder.makers_.push_back(std::move(maker));
    return {};
  }));
  if (section.is_null()) decoder.makers_.push_back(plain<JoinWithSpaces>());
  return decoder;
}

DecodeStream::DecodeStream(const Decoder& decoder) : output_(std::make_unique<std::string>()) {
  stages_.push_back(std::make_unique<Output>(output_.get()));
  for (auto maker = decoder.makers_.rbegin(); maker != decoder.makers_.rend(); ++maker) stages_.push_back((*maker)(stages_.back().get()));
}

DecodeStream::DecodeStream(DecodeStream&&) noexcept = default;
DecodeStream& DecodeStream::operator=(DecodeStream&&) noexcept = default;
DecodeStream::~DecodeStream() = default;

void DecodeStream::push(std::string_view token) { stages_.back()->feed(token, true, true); }
void DecodeStream::finish() { stages_.back()->finish(); }
std::string DecodeStream::take() { return std::exchange(*output_, std::string()); }

}  // namespace jang::text
