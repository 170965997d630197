// SPDX-License-Identifier: Apache-2.0
// The "normalizer" section of tokenizer.json: text to text, before added tokens that ask for it are matched and before pre-tokenization.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "jang/status.h"
#include "json/json.h"

namespace jang::text {

// A stretch of normalized text, and how far it reaches into the first character of the input: Metaspace's prepend_scheme "first" asks.
struct Stretch {
  std::string text;
  std::size_t from_first = 0;  // leading bytes that come from the first character of the whole input
  std::size_t max_bytes = 0;   // what the text may grow to; Normalizer::apply sets it
  // Offsets that move along with the text around them, ascending. Where characters of both sides of one become a single character, it lies
  // on either side of that.
  std::vector<std::size_t> marks{};
};

class Normalizer {
 public:
  class Step {
   public:
    virtual ~Step() = default;
    // Errors: unsupported (a regex reached a limit).
    virtual Status apply(Stretch& stretch) const = 0;
  };

  // `section` may be null: no normalizer. Errors: corrupt, unsupported (naming the component).
  static Result<Normalizer> parse(const json::Value& section);

  // Errors: unsupported (the text grows beyond 64 times its size and 64 MiB, a regex reached a limit).
  Status apply(Stretch& stretch) const;
  [[nodiscard]] bool empty() const { return steps_.empty(); }

 private:
  std::vector<std::unique_ptr<const Step>> steps_;  // sequences are flattened
};

}  // namespace jang::text
