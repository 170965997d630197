// SPDX-License-Identifier: Apache-2.0
// Statistics files of any bytes. Oracle: what is accepted writes back as a file that reads the same.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "format/statistics.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto read = jang::format::parse_statistics(bytes, "fuzz");
  if (!read.ok()) return 0;
  const std::string written = jang::format::serialize(*read);
  const auto again = jang::format::parse_statistics(written, "again");
  JANG_CHECK(again.ok());
  JANG_CHECK(jang::format::serialize(*again) == written);
  return 0;
}
