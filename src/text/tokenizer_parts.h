// SPDX-License-Identifier: Apache-2.0
// What a Tokenizer is made of. Shared by tokenizer.cpp, which runs it, and tokenizer_reader.cpp, which builds it.
#pragma once

#include "text/added_tokens.h"
#include "text/decoder.h"
#include "text/model.h"
#include "text/normalizer.h"
#include "text/post_processor.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"

namespace jang::text {

struct Tokenizer::Parts {
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::unique_ptr<const Model> model;
  AddedTokens added;
  PostProcessor post_processor;
  Decoder decoder;
};

}  // namespace jang::text
