// SPDX-License-Identifier: Apache-2.0
// What jinja2 and Python have and this engine does not, by name: no chat template is known to use it, or it makes no sense in one. A
// template that does is told so instead of being misread.
#pragma once

#include <cstdint>
#include <string_view>

#include "jang/status.h"

namespace jang::text::jinja {

// unsupported: "<what> is not supported in chat templates"
[[nodiscard]] Status not_supported(std::string_view what);

enum class Feature : std::uint8_t { filter, test, function, string_method, list_method, tuple_method, dict_method, loop_method, tag };

// not_supported when jinja has a feature of this name that is not offered; ok for every other name.
[[nodiscard]] Status check_offered(Feature feature, std::string_view name);

}  // namespace jang::text::jinja
