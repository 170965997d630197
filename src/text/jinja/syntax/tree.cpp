// SPDX-License-Identifier: Apache-2.0
// Names of a template.
#include "text/jinja/syntax/tree.h"

#include <algorithm>

namespace jang::text::jinja {

int find_name(const Template& source, std::string_view name) {
  const auto at = std::lower_bound(source.by_name.begin(), source.by_name.end(), name,
                                   [&](int id, std::string_view n) { return source.names[static_cast<std::size_t>(id)] < n; });
  return at != source.by_name.end() && source.names[static_cast<std::size_t>(*at)] == name ? *at : -1;
}

}  // namespace jang::text::jinja
