// SPDX-License-Identifier: Apache-2.0
// README.md of a bundle: what it was made of and how, its sizes, the commands that run it, and the licence of the source, with the front
// matter (YAML between two lines of "---") that the Hub reads. It says nothing of when, where or by whom it was made: equal conversions
// give equal cards.
//
// Front matter of the source's own card is outside data: of it only plain words come over (letters, digits and . _ / : + % ~ -), from the
// keys named in SourceCard.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "format/targets/target.h"

namespace jang::targets {

inline constexpr std::string_view kCardName = "README.md";

// What the source says of itself beside its weights. Empty: nothing.
struct SourceCard {
  std::string base_model;           // org/name of the source on the Hub, or what its own card is based on
  std::string base_model_relation;  // "quantized" where base_model is the source itself
  std::string license, license_name, license_link;
  std::string pipeline_tag;
  std::vector<std::string> language, tags;
};

// Of the text of a card. Never fails: what is not understood is left out.
[[nodiscard]] SourceCard parse_card(std::string_view text);
// Of a directory: its README.md; where that names no licence, what a LICENSE file begins with; its place in the Hub cache.
[[nodiscard]] SourceCard read_source_card(const std::string& directory);

// `name`: what the bundle is called.
[[nodiscard]] std::string model_card(const Record& record, const Target& target, const SourceCard& source, std::string_view name);

// A card written here, with a section about a training that brought the divergence from the source from `before` to `after`, nats a token
// on text that no step saw. Any other text comes back as it is.
[[nodiscard]] std::string with_training(std::string card, std::int64_t steps, double before, double after);

}  // namespace jang::targets
