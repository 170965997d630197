// SPDX-License-Identifier: Apache-2.0
// Every component cuts a segment into parts and may first change its text. Segments run through all components depth first, so that memory
// follows the longest segment, not the text.
#include "text/tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/pattern.h"
#include "text/tokenizer/section.h"
#include "text/unicode/properties.h"

namespace jang::text {

struct PreTokenizer::Run::Scratch {
  std::string text;
  std::vector<Part> parts;
  std::unique_ptr<Regex::Searcher> searcher;
};

class PreTokenizer::Step {
 public:
  virtual ~Step() = default;
  // Passes what becomes of `segment` on to step index + 1.
  virtual Status feed(Run& run, std::size_t index, const Segment& segment) const = 0;

 protected:
  static Status pass_parts(Run& run, std::size_t index, const Segment& segment) {
    // The steps behind have scratch of their own, so `parts` stays as it is.
    for (const Part& part : run.scratch(index).parts)
      if (part.end > part.begin) JANG_TRY(run.pass(segment.slice(part.begin, part.end), index + 1));
    return {};
  }
};

namespace {

using Run = PreTokenizer::Run;
using Step = PreTokenizer::Step;

// Adds matches, and what lies between them, to a list of parts.
class PartList {
 public:
  explicit PartList(std::vector<Part>& parts) : parts_(parts) { parts_.clear(); }
  void match(std::size_t begin, std::size_t end) {
    if (begin != done_) parts_.push_back({done_, begin, false});
    parts_.push_back({begin, end, true});
    done_ = end;
  }
  void finish(std::size_t size) {
    if (done_ != size) parts_.push_back({done_, size, false});
  }

 private:
  std::vector<Part>& parts_;
  std::size_t done_ = 0;
};

// Characters for which is_delimiter holds are matches of one character each.
template <typename IsDelimiter>
class CharacterSplit final : public Step {
 public:
  CharacterSplit(IsDelimiter is_delimiter, SplitBehavior behavior) : is_delimiter_(is_delimiter), behavior_(behavior) {}
  Status feed(Run& run, std::size_t index, const Segment& segment) const override {
    auto& parts = run.scratch(index).parts;
    PartList list(parts);
    for (std::size_t at = 0; at < segment.text.size();) {
      const std::size_t begin = at;
      if (is_delimiter_(utf8::next(segment.text, at))) list.match(begin, at);
    }
    list.finish(segment.text.size());
    apply_behavior(parts, behavior_);
    return pass_parts(run, index, segment);
  }

 private:
  IsDelimiter is_delimiter_;
  SplitBehavior behavior_;
};

template <typename IsDelimiter>
std::unique_ptr<const Step> character_split(IsDelimiter is_delimiter, SplitBehavior behavior) {
  return std::make_unique<CharacterSplit<IsDelimiter>>(is_delimiter, behavior);
}

Status regex_parts(Run::Scratch& scratch, const Regex& regex, std::string_view text) {
  if (!scratch.searcher) scratch.searcher = std::make_unique<Regex::Searcher>(regex);
  scratch.searcher->start(text);
  PartList list(scratch.parts);
  for (;;) {
    JANG_ASSIGN(const std::optional<Match> match, scratch.searcher->next());
    if (!match) break;
    list.match(match->begin, match->end);
  }
  list.finish(text.size());
  return {};
}

class Split final : public Step {
 public:
  Split(Pattern pattern, SplitBehavior behavior, bool invert) : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
  Status feed(Run& run, std::size_t index, const Segment& segment) const override {
    Run::Scratch& scratch = run.scratch(index);
    if (pattern_.regex()) {
      JANG_TRY(regex_parts(scratch, *pattern_.regex(), segment.text));
    } else {
      PartList list(scratch.parts);
      JANG_TRY(pattern_.for_each_match(segment.text, [&](const Match& m) { list.match(m.begin, m.end); }));
      list.finish(segment.text.size());
    }
    if (invert_)
      for (Part& part : scratch.parts) part.is_match = !part.is_match;
    apply_behavior(scratch.parts, behavior_);
    return pass_parts(run, index, segment);
  }

 private:
  Pattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

// Runs of word characters, and runs of what is neither a word character nor white space.
class Whitespace final : public Step {
 public:
  Status feed(Run& run, std::size_t index, const Segment& segment) const override {
    enum CharacterKind : int { space, word, other };
    auto& parts = run.scratch(index).parts;
    parts.clear();
    int last = space;
    for (std::size_t at = 0; at < segment.text.size();) {
      const std::size_t begin = at;
      const char32_t c = utf8::next(segment.text, at);
      const int kind = unicode::is_word(c) ? word : unicode::is_whitespace(c) ? space : other;
      if (kind != space && kind == last)
        parts.back().end = at;
      else if (kind != space)
        parts.push_back({begin, at, true});
      last = kind;
    }
    return pass_parts(run, index, segment);
  }
};

constexpr std::string_view kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

class ByteLevel final : public Step {
 public:
  ByteLevel(bool add_prefix_space, std::optional<Regex> regex, bool is_last)
      : add_prefix_space_(add_prefix_space), regex_(std::move(regex)), is_last_(is_last) {}
  Status feed(Run& run, std::size_t index, const Segment& segment) const override {
    Run::Scratch& scratch = run.scratch(index);
    Segment whole = segment;
    std::string prefixed;
    if (add_prefix_space_ && !segment.text.starts_with(' ')) {
      prefixed = ' ';
      prefixed += segment.text;
      whole = {prefixed, segment.from_first > 0 ? segment.from_first + 1 : 0, segment.at_start};
    }
    if (regex_)
      JANG_TRY(regex_parts(scratch, *regex_, whole.text));
    else
      scratch.parts.assign(1, {0, whole.text.size(), false});
    if (is_last_) return pass_parts(run, index, whole);
    for (const Part& part : scratch.parts) {
      if (part.begin == part.end) continue;
      const Segment piece = whole.slice(part.begin, part.end);
      scratch.text.clear();
      byte_level::append_encoded(scratch.text, piece.text);
      const std::size_t first = byte_level::encode(piece.text.substr(0, piece.from_first)).size();
      JANG_TRY(run.pass({scratch.text, first, piece.at_start}, index + 1));
    }
    return {};
  }

 private:
  bool add_prefix_space_;
  std::optional<Regex> regex_;
  bool is_last_;  // the spelling in the byte-level alphabet is left to the receiver
};

enum class PrependScheme : std::uint8_t { always, first, never };

class Metaspace final : public Step {
 public:
  Metaspace(char32_t replacement, PrependScheme scheme, bool split) : scheme_(scheme), split_(split) {
    utf8::append(replacement_, replacement);
  }
  Status feed(Run& run, std::size_t index, const Segment& segment) const override {
    Run::Scratch& scratch = run.scratch(index);
    std::string& text = scratch.text;
    text.clear();
    std::size_t first = 0;
    if (prepends(segment)) {
      text += replacement_;
      first = segment.from_first > 0 ? replacement_.size() : 0;
    }
    for (std::size_t i = 0; i < segment.text.size(); ++i) {
      const std::size_t before = text.size();
      if (segment.text[i] == ' ')
        text += replacement_;
      else
        text += segment.text[i];
      if (i < segment.from_first) first += text.size() - before;
    }
    const Segment whole{text, first, segment.at_start};
    if (!split_) return run.pass(whole, index + 1);
    PartList list(scratch.parts);
    for (std::size_t at = 0; (at = text.find(replacement_, at)) != std::string::npos; at += replacement_.size())
      list.match(at, at + replacement_.size());
    list.finish(text.size());
    apply_behavior(scratch.parts, SplitBehavior::merged_with_next);
    return pass_parts(run, index, whole);
  }

 private:
  [[nodiscard]] bool prepends(const Segment& segment) const {
    if (segment.text.starts_with(' ') || segment.text.starts_with(replacement_)) return false;
    return scheme_ == PrependScheme::always || (scheme_ == PrependScheme::first && segment.at_start);
  }
  std::string replacement_;
  PrependScheme scheme_;
  bool split_;
};

class FixedLength final : public Step {
 public:
  explicit FixedLength(std::size_t length) : length_(length) {}
  Status feed(Run& run, std::size_t index, const Segment& segment) const override {
    auto& parts = run.scratch(index).parts;
    parts.clear();
    for (std::size_t at = 0; at < segment.text.size();) {
      const std::size_t begin = at;
      for (std::size_t n = 0; n < length_ && at < segment.text.size(); ++n) at += utf8::length_at(segment.text[at]);
      parts.push_back({begin, at, false});
    }
    return pass_parts(run, index, segment);
  }

 private:
  std::size_t length_;
};

Result<SplitBehavior> parse_behavior(const json::Value& component) {
  JANG_ASSIGN(const std::string name, json::get_string(component, "behavior", "Isolated"));
  constexpr std::pair<std::string_view, SplitBehavior> kBehaviors[] = {{"Removed", SplitBehavior::removed},
                                                                       {"Isolated", SplitBehavior::isolated},
                                                                       {"MergedWithPrevious", SplitBehavior::merged_with_previous},
                                                                       {"MergedWithNext", SplitBehavior::merged_with_next},
                                                                       {"Contiguous", SplitBehavior::contiguous}};
  for (const auto& [known, behavior] : kBehaviors)
    if (known == name) return behavior;
  return Status(StatusCode::unsupported, fmt::format("behavior {} is not handled", json::quote(name, 32)));
}

// prepend_scheme counts; before it existed add_prefix_space said always or never.
Result<PrependScheme> parse_prepend_scheme(const json::Value& component) {
  JANG_ASSIGN(const bool old_prefix, json::get_bool(component, "add_prefix_space", true));
  JANG_ASSIGN(const std::string name, json::get_string(component, "prepend_scheme", old_prefix ? "always" : "never"));
  if (name == "always") return PrependScheme::always;
  if (name == "first") return PrependScheme::first;
  if (name == "never") return PrependScheme::never;
  return Status(StatusCode::unsupported, fmt::format("prepend_scheme {} is not handled", json::quote(name, 32)));
}

using Steps = std::vector<std::unique_ptr<const Step>>;

Status add_split(const json::Value& component, Steps& steps) {
  JANG_ASSIGN(const PatternText from, get_pattern(component));
  JANG_ASSIGN(Pattern pattern, Pattern::make(from));
  JANG_ASSIGN(const SplitBehavior behavior, parse_behavior(component));
  JANG_ASSIGN(const bool invert, json::get_bool(component, "invert", false));
  steps.push_back(std::make_unique<Split>(std::move(pattern), behavior, invert));
  return {};
}

Status add_byte_level(const json::Value& component, bool is_last, Steps& steps) {
  JANG_ASSIGN(const bool prefix, json::get_bool(component, "add_prefix_space", true));
  JANG_ASSIGN(const bool use_regex, json::get_bool(component, "use_regex", true));
  std::optional<Regex> regex;
  if (use_regex) {
    JANG_ASSIGN(regex, Regex::compile(kGpt2Pattern));
  }
  steps.push_back(std::make_unique<ByteLevel>(prefix, std::move(regex), is_last));
  return {};
}

Status add_metaspace(const json::Value& component, bool& needs_start, Steps& steps) {
  JANG_ASSIGN(const char32_t replacement, get_character(component, "replacement"));
  JANG_ASSIGN(const PrependScheme scheme, parse_prepend_scheme(component));
  JANG_ASSIGN(const bool split, json::get_bool(component, "split", true));
  needs_start = needs_start || scheme == PrependScheme::first;
  steps.push_back(std::make_unique<Metaspace>(replacement, scheme, split));
  return {};
}

Status add_step(const json::Value& component, const std::string& type, Steps& steps) {
  if (type == "Split") return add_split(component, steps);
  if (type == "Whitespace") {
    steps.push_back(std::make_unique<Whitespace>());
  } else if (type == "WhitespaceSplit") {
    steps.push_back(character_split(unicode::is_whitespace, SplitBehavior::removed));
  } else if (type == "BertPreTokenizer") {
    steps.push_back(character_split(unicode::is_whitespace, SplitBehavior::removed));
    steps.push_back(character_split(unicode::is_punctuation, SplitBehavior::isolated));
  } else if (type == "Digits") {
    JANG_ASSIGN(const bool individual, json::get_bool(component, "individual_digits", false));
    steps.push_back(character_split(unicode::is_numeric, individual ? SplitBehavior::isolated : SplitBehavior::contiguous));
  } else if (type == "Punctuation") {
    JANG_ASSIGN(const SplitBehavior behavior, parse_behavior(component));
    steps.push_back(character_split(unicode::is_punctuation, behavior));
  } else if (type == "CharDelimiterSplit") {
    JANG_ASSIGN(const char32_t delimiter, get_character(component, "delimiter"));
    steps.push_back(character_split([delimiter](char32_t c) { return c == delimiter; }, SplitBehavior::removed));
  } else if (type == "FixedLength") {
    JANG_ASSIGN(const std::int64_t length, json::get_int(component, "length", 5, 1, 1 << 30));
    steps.push_back(std::make_unique<FixedLength>(static_cast<std::size_t>(length)));
  } else {
    return unknown_component(type);
  }
  return {};
}

}  // namespace

void apply_behavior(std::vector<Part>& parts, SplitBehavior behavior) {
  if (behavior == SplitBehavior::isolated) return;
  if (behavior == SplitBehavior::removed) {
    std::erase_if(parts, [](const Part& part) { return part.is_match; });
    return;
  }
  // In place, from the back for merged_with_next: a part either joins the one kept last or is kept itself.
  const bool backwards = behavior == SplitBehavior::merged_with_next;
  if (backwards) std::reverse(parts.begin(), parts.end());
  std::size_t n = 0;
  bool last_was_match = false;
  for (const Part part : parts) {
    const bool joins = behavior == SplitBehavior::contiguous ? part.is_match == last_was_match : part.is_match && !last_was_match;
    last_was_match = part.is_match;
    if (!joins || n == 0)
      parts[n++] = part;
    else if (backwards)
      parts[n - 1].begin = part.begin;
    else
      parts[n - 1].end = part.end;
  }
  parts.resize(n);
  if (backwards) std::reverse(parts.begin(), parts.end());
}

PreTokenizer::PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;
PreTokenizer& PreTokenizer::operator=(PreTokenizer&&) noexcept = default;
PreTokenizer::~PreTokenizer() = default;

Result<PreTokenizer> PreTokenizer::parse(const json::Value& section) {
  PreTokenizer result;
  int n_components = 0, last = 0;
  JANG_TRY(for_each_component(section, "pretokenizers", [&](const json::Value&, const std::string&) {
    ++last;
    return Status();
  }));
  JANG_TRY(for_each_component(section, "pretokenizers", [&](const json::Value& component, const std::string& type) -> Status {
    const bool is_last = ++n_components == last;
    if (type == "ByteLevel") {
      result.ends_byte_level_ = is_last;
      return add_byte_level(component, is_last, result.steps_);
    }
    if (type == "Metaspace") return add_metaspace(component, result.needs_start_, result.steps_);
    return add_step(component, type, result.steps_);
  }));
  return result;
}

PreTokenizer::Run::Run(const PreTokenizer& pre_tokenizer, PieceSink sink)
    : pre_tokenizer_(pre_tokenizer), sink_(std::move(sink)), scratch_(pre_tokenizer.steps_.size()) {}
PreTokenizer::Run::~Run() = default;

PreTokenizer::Run::Scratch& PreTokenizer::Run::scratch(std::size_t step) { return scratch_[step]; }

Status PreTokenizer::Run::feed(const Segment& segment) { return segment.text.empty() ? Status() : pass(segment, 0); }

Status PreTokenizer::Run::pass(const Segment& segment, std::size_t step) {
  if (step == pre_tokenizer_.steps_.size()) return sink_(segment.text);
  return pre_tokenizer_.steps_[step]->feed(*this, step, segment);
}

}  // namespace jang::text
