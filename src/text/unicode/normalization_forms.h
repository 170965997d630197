// SPDX-License-Identifier: Apache-2.0
// NFC, NFD, NFKC, NFKD (Unicode Standard Annex 15) of valid UTF-8, with the Unicode 9 of the `tokenizers` library: what was added later has
// no decomposition and combining class 0.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace jang::text {

enum class NormalizationForm : std::uint8_t { nfc, nfd, nfkc, nfkd };

[[nodiscard]] std::string to_form(std::string_view text, NormalizationForm form);

}  // namespace jang::text
