// SPDX-License-Identifier: Apache-2.0
// The "pre_tokenizer" section of tokenizer.json: normalized text to the pieces that the model sees one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "jang/status.h"
#include "json/json.h"

namespace jang::text {

// A stretch of normalized text. from_first and at_start serve Metaspace's prepend_scheme "first": see Stretch in normalizer.h; at_start
// says that the stretch begins with the first character of the whole input.
struct Segment {
  std::string_view text;
  std::size_t from_first = 0;
  bool at_start = false;

  // Bytes begin..end of it. Precondition: begin < end.
  [[nodiscard]] Segment slice(std::size_t begin, std::size_t end) const {
    const std::size_t left = from_first > begin ? from_first - begin : 0;
    return {text.substr(begin, end - begin), left < end - begin ? left : end - begin, left > 0};
  }
};

// How a Split treats its matches; the names are the library's.
enum class SplitBehavior : std::uint8_t { removed, isolated, merged_with_previous, merged_with_next, contiguous };
// A part of a text and whether it is a match.
struct Part {
  std::size_t begin, end;
  bool is_match;
};
// Turns the parts of a text, matches and what lies between them, into the parts to keep. Empty ones may be among them.
void apply_behavior(std::vector<Part>& parts, SplitBehavior behavior);

using PieceSink = std::function<Status(std::string_view piece)>;

class PreTokenizer {
 public:
  class Step;
  // What one run over a text keeps between segments: scratch memory of each step. Not thread safe, so each encode makes one.
  class Run;

  PreTokenizer();
  PreTokenizer(PreTokenizer&&) noexcept;
  PreTokenizer& operator=(PreTokenizer&&) noexcept;
  ~PreTokenizer();

  // `section` may be null: the text is one piece. Errors: corrupt, unsupported (naming the component).
  static Result<PreTokenizer> parse(const json::Value& section);

  // Pieces are to be spelled in the byte-level alphabet; the sink gets their bytes. True when the last component is ByteLevel.
  [[nodiscard]] bool ends_byte_level() const { return ends_byte_level_; }
  // Whether any component asks where the input starts.
  [[nodiscard]] bool needs_start() const { return needs_start_; }

 private:
  std::vector<std::unique_ptr<const Step>> steps_;  // sequences are flattened
  bool ends_byte_level_ = false, needs_start_ = false;
};

class PreTokenizer::Run {
 public:
  // `sink` gets the pieces in order; they live until it returns.
  Run(const PreTokenizer& pre_tokenizer, PieceSink sink);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  Status feed(const Segment& segment);

  // For steps. Passes a segment, which is not empty, to the step behind.
  Status pass(const Segment& segment, std::size_t step);
  struct Scratch;
  [[nodiscard]] Scratch& scratch(std::size_t step);

 private:
  const PreTokenizer& pre_tokenizer_;
  PieceSink sink_;
  std::vector<Scratch> scratch_;
};

}  // namespace jang::text
