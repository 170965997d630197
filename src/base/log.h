// SPDX-License-Identifier: Apache-2.0
// Observer and CancelFlag of the public API under the name that the layers below it include.
#pragma once

#include "jang/observer.h"
