// SPDX-License-Identifier: Apache-2.0
// A stage of a decoder: tokens in, tokens out. A token may come in parts (behind Fuse there is one token that lasts to the end); parts are
// complete characters.
#pragma once

#include <string>
#include <string_view>

namespace jang::text {

class DecodeStage {
 public:
  explicit DecodeStage(DecodeStage* next) : next_(next) {}
  virtual ~DecodeStage() = default;
  DecodeStage(const DecodeStage&) = delete;
  DecodeStage& operator=(const DecodeStage&) = delete;

  // Part of a token; a whole one begins and ends.
  virtual void feed(std::string_view part, bool begins, bool ends) = 0;
  virtual void finish() { next_->finish(); }

 protected:
  void pass(std::string_view token) { next_->feed(token, true, true); }
  DecodeStage* next_;
};

// For stages that must see a token whole.
class WholeTokenStage : public DecodeStage {
 public:
  using DecodeStage::DecodeStage;
  void feed(std::string_view part, bool begins, bool ends) final {
    if (begins && ends) return token(part);
    if (begins) pending_.clear();
    pending_ += part;
    if (ends) token(pending_);
  }
  virtual void token(std::string_view text) = 0;

 private:
  std::string pending_;
};

}  // namespace jang::text
