// SPDX-License-Identifier: Apache-2.0
// The header of a GGUF file of version 3 (gguf.h has the layout).
#pragma once

#include <string>

#include "format/gguf.h"

namespace jang::format {

// Bytes up to data_begin. Lays the payloads out in order and writes version, data_begin and every tensor's offset and bytes into `header`.
// Preconditions: names are unique, alignment is a power of two and the default or in the metadata, rows are whole blocks.
[[nodiscard]] std::string make_gguf_header(GgufHeader& header);

}  // namespace jang::format
