// SPDX-License-Identifier: Apache-2.0
// read_text_input of the public API under the name that the layers below it include. Files of a model are read by file.h, which takes
// regular files only.
#pragma once

#include "jang/text_input.h"
