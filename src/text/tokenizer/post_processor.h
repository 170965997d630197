// SPDX-License-Identifier: Apache-2.0
// The "post_processor" section of tokenizer.json: the tokens put around one encoded text (bos, eos). Offsets are not kept here, so the
// components that only trim offsets do nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "jang/status.h"
#include "json/json.h"

namespace jang::text {

class PostProcessor {
 public:
  // `section` may be null. Errors: corrupt, unsupported (naming the component).
  static Result<PostProcessor> parse(const json::Value& section);

  void apply(std::vector<std::int32_t>& ids, bool add_special_tokens) const;
  // The ids it adds, each at least once.
  [[nodiscard]] std::vector<std::int32_t> added_ids() const;

 private:
  // The text goes where `sequence` is, once each time; the other items are ids.
  struct Item {
    bool sequence;
    std::int32_t id;
  };
  using Template = std::vector<Item>;
  std::optional<Template> template_;
};

}  // namespace jang::text
