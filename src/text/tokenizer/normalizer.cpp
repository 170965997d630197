// SPDX-License-Identifier: Apache-2.0
// One class a component. Components that work character by character only give their function (Mapped); `from_first` is what the same
// function makes of the first character.
#include "text/tokenizer/normalizer.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/charsmap.h"
#include "text/tokenizer/pattern.h"
#include "text/tokenizer/section.h"
#include "text/unicode/normalization_forms.h"
#include "text/unicode/properties.h"

namespace jang::text {
namespace {

using NormalizerStep = Normalizer::Step;
using NormalizerSteps = std::vector<std::unique_ptr<const NormalizerStep>>;

template <typename Map>
class Mapped final : public NormalizerStep {
 public:
  explicit Mapped(Map map) : map_(std::move(map)) {}
  Status apply(Stretch& stretch) const override {
    const std::size_t first = stretch.from_first == 0 ? 0 : map_(std::string_view(stretch.text).substr(0, stretch.from_first)).size();
    move_marks(stretch);
    stretch.text = map_(stretch.text);
    for (std::size_t& mark : stretch.marks) mark = std::min(mark, stretch.text.size());
    stretch.from_first = std::min(first, stretch.text.size());
    return {};
  }

 private:
  // Nothing joins with a printable ASCII character behind it, so sizes of what lies between such places add up without drift.
  void move_marks(Stretch& stretch) const {
    const std::string_view text = stretch.text;
    std::size_t safe = 0, size = 0;  // a safe place and the size of what is before it, mapped
    for (std::size_t& mark : stretch.marks) {
      std::size_t at = std::min(mark, text.size());
      while (at > safe && (at == text.size() || text[at] < ' ' || text[at] > '~')) --at;
      size += map_(text.substr(safe, at - safe)).size();
      safe = at;
      mark = size + map_(text.substr(safe, mark - safe)).size();
    }
  }
  Map map_;
};

template <typename Map>
std::unique_ptr<const NormalizerStep> mapped(Map map) {
  return std::make_unique<Mapped<Map>>(std::move(map));
}

// append(out, c) for every character.
template <typename Append>
std::unique_ptr<const NormalizerStep> by_character(Append append) {
  return mapped([append](std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) append(out, utf8::next(text, at));
    return out;
  });
}

std::unique_ptr<const NormalizerStep> form(NormalizationForm f) {
  return mapped([f](std::string_view text) { return to_form(text, f); });
}

class Strip final : public NormalizerStep {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  Status apply(Stretch& stretch) const override {
    std::string_view text = stretch.text;
    std::size_t begin = 0, end = text.size();
    while (left_ && begin < end) {
      std::size_t next = begin;
      if (!unicode::is_whitespace(utf8::next(text, next))) break;
      begin = next;
    }
    while (right_ && end > begin) {
      const std::size_t last = utf8::previous(text, end);
      std::size_t at = last;
      if (!unicode::is_whitespace(utf8::next(text, at))) break;
      end = last;
    }
    stretch.from_first = stretch.from_first > begin ? std::min(stretch.from_first, end) - begin : 0;
    for (std::size_t& mark : stretch.marks) mark = std::clamp(mark, begin, end) - begin;
    stretch.text = stretch.text.substr(begin, end - begin);
    return {};
  }

 private:
  bool left_, right_;
};

class Prepend final : public NormalizerStep {
 public:
  explicit Prepend(std::string text) : text_(std::move(text)) {}
  Status apply(Stretch& stretch) const override {
    if (stretch.text.empty()) return {};
    stretch.text.insert(0, text_);
    if (stretch.from_first > 0) stretch.from_first += text_.size();
    for (std::size_t& mark : stretch.marks) mark += text_.size();
    return {};
  }

 private:
  std::string text_;
};

class Replace final : public NormalizerStep {
 public:
  Replace(Pattern pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  Status apply(Stretch& stretch) const override {
    const std::string_view text = stretch.text;
    std::string out;
    out.reserve(text.size());
    std::size_t done = 0, first = 0;
    auto mark = stretch.marks.begin();
    const auto copy = [&](std::size_t end) {
      for (; mark != stretch.marks.end() && *mark <= end; ++mark) *mark = out.size() + (*mark > done ? *mark - done : 0);
      out += text.substr(done, end - done);
      if (done < stretch.from_first) first = out.size() - (end - std::min(end, stretch.from_first));
      done = end;
    };
    JANG_TRY(pattern_.for_each_match(text, [&](const Match& m) {
      if (out.size() > stretch.max_bytes) return;  // refused anyway
      copy(m.begin);
      out += content_;
      if (m.end > m.begin && m.end <= stretch.from_first) first = out.size();
      done = m.end;
    }));
    copy(text.size());
    stretch.text = std::move(out);
    stretch.from_first = first;
    return {};
  }

 private:
  Pattern pattern_;
  std::string content_;
};

void append_nmt(std::string& out, char32_t c) {
  const bool dropped = (c >= 0x1 && c <= 0x8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f;
  const bool space = c == 0x9 || c == 0xa || c == 0xc || c == 0xd || c == 0x1680 || (c >= 0x200b && c <= 0x200f) || c == 0x2028 ||
                     c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd;
  if (!dropped) utf8::append(out, space ? U' ' : c);
}

Status add_bert(const json::Value& component, NormalizerSteps& steps) {
  JANG_ASSIGN(const bool clean, json::get_bool(component, "clean_text", true));
  JANG_ASSIGN(const bool chinese, json::get_bool(component, "handle_chinese_chars", true));
  JANG_ASSIGN(const bool lowercase, json::get_bool(component, "lowercase", true));
  JANG_ASSIGN(const bool strip_accents, json::get_bool(component, "strip_accents", lowercase));
  if (clean)
    steps.push_back(by_character([](std::string& out, char32_t c) {
      const bool is_kept_control = c == '\t' || c == '\n' || c == '\r';
      if (is_kept_control || !unicode::is_bert_removed(c)) utf8::append(out, unicode::is_whitespace(c) ? U' ' : c);
    }));
  if (chinese)
    steps.push_back(by_character([](std::string& out, char32_t c) {
      const bool spaced = unicode::is_chinese(c);
      if (spaced) out += ' ';
      utf8::append(out, c);
      if (spaced) out += ' ';
    }));
  if (strip_accents) {
    steps.push_back(form(NormalizationForm::nfd));
    steps.push_back(by_character([](std::string& out, char32_t c) {
      if (!unicode::is_bert_mark(c)) utf8::append(out, c);
    }));
  }
  if (lowercase) steps.push_back(by_character(unicode::append_lowercase));
  return {};
}

Status add_step(const json::Value& component, const std::string& type, NormalizerSteps& steps) {
  if (type == "NFC")
    steps.push_back(form(NormalizationForm::nfc));
  else if (type == "NFD")
    steps.push_back(form(NormalizationForm::nfd));
  else if (type == "NFKC")
    steps.push_back(form(NormalizationForm::nfkc));
  else if (type == "NFKD")
    steps.push_back(form(NormalizationForm::nfkd));
  else if (type == "Lowercase")
    steps.push_back(by_character(unicode::append_lowercase));
  else if (type == "Nmt")
    steps.push_back(by_character(append_nmt));
  else if (type == "ByteLevel")
    steps.push_back(mapped([](std::string_view text) { return byte_level::encode(text); }));
  else if (type == "BertNormalizer")
    return add_bert(component, steps);
  else if (type == "StripAccents") {
    steps.push_back(by_character([](std::string& out, char32_t c) {
      if (!unicode::is_combining_mark(c)) utf8::append(out, c);
    }));
  } else if (type == "Strip") {
    JANG_ASSIGN(const bool left, json::get_bool(component, "strip_left", true));
    JANG_ASSIGN(const bool right, json::get_bool(component, "strip_right", true));
    steps.push_back(std::make_unique<Strip>(left, right));
  } else if (type == "Prepend") {
    JANG_ASSIGN(std::string text, json::get_string(component, "prepend", ""));
    steps.push_back(std::make_unique<Prepend>(std::move(text)));
  } else if (type == "Replace") {
    JANG_ASSIGN(const PatternText from, get_pattern(component));
    JANG_ASSIGN(Pattern pattern, Pattern::make(from));
    JANG_ASSIGN(std::string content, json::get_string(component, "content", ""));
    steps.push_back(std::make_unique<Replace>(std::move(pattern), std::move(content)));
  } else if (type == "Precompiled") {
    JANG_ASSIGN(const std::string base64, json::get_string(component, "precompiled_charsmap", ""));
    JANG_ASSIGN(Charsmap charsmap, Charsmap::parse(base64));
    steps.push_back(mapped([map = std::move(charsmap)](std::string_view text) { return map.apply(text); }));
  } else {
    return unknown_component(type);
  }
  return {};
}

}  // namespace

Result<Normalizer> Normalizer::parse(const json::Value& section) {
  Normalizer normalizer;
  JANG_TRY(for_each_component(section, "normalizers", [&](const json::Value& component, const std::string& type) {
    return add_step(component, type, normalizer.steps_);
  }));
  return normalizer;
}

Status Normalizer::apply(Stretch& stretch) const {
  constexpr std::size_t kGrowth = 64, kAlways = std::size_t{64} << 20;
  stretch.max_bytes = kAlways + kGrowth * stretch.text.size();
  for (const auto& step : steps_) {
    JANG_TRY(step->apply(stretch));
    if (stretch.text.size() > stretch.max_bytes)
      return {StatusCode::unsupported, fmt::format("the normalizer makes more than {} bytes of the text", stretch.max_bytes)};
  }
  return {};
}

}  // namespace jang::text
