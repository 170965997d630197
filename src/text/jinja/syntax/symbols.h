// SPDX-License-Identifier: Apache-2.0
// Which names a scope hides from its beginning. jinja decides when compiling where a name lives: in the scope that assigns it anywhere,
// even further down. Until then such a name is undefined there and in the scopes inside, although the caller gave a variable of that name;
// unless the scope reads the name before it assigns it, or assigns it in some branches of an `if` only: then it starts as what is outside.
#pragma once

#include "text/jinja/syntax/tree.h"

namespace jang::text::jinja {

// Fills in the `hidden` lists of a template.
void resolve_symbols(Template& source);

}  // namespace jang::text::jinja
