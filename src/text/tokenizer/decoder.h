// SPDX-License-Identifier: Apache-2.0
// The "decoder" section of tokenizer.json: token texts back to text, as a stream. The library hands a list of strings through its
// components; here every component is a stage that passes on what can no longer change, so the stream's output is the library's, piece by
// piece.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "jang/status.h"
#include "json/json.h"

namespace jang::text {

class DecodeStage;
using MakeStage = std::function<std::unique_ptr<DecodeStage>(DecodeStage* next)>;

class Decoder {
 public:
  // `section` may be null: tokens are joined with spaces. Errors: corrupt, unsupported (naming the component).
  static Result<Decoder> parse(const json::Value& section);

 private:
  friend class DecodeStream;
  std::vector<MakeStage> makers_;  // sequences are flattened
};

// One decoding under way. Output is always complete characters.
class DecodeStream {
 public:
  explicit DecodeStream(const Decoder& decoder);
  DecodeStream(DecodeStream&&) noexcept;
  DecodeStream& operator=(DecodeStream&&) noexcept;
  ~DecodeStream();

  // `token` is valid UTF-8.
  void push(std::string_view token);
  // No more tokens: what was held back comes out. The stream is spent afterwards.
  void finish();
  // What has come out since the last call.
  [[nodiscard]] std::string take();

 private:
  std::unique_ptr<std::string> output_;
  std::vector<std::unique_ptr<DecodeStage>> stages_;  // the last one first
};

}  // namespace jang::text
