/* SPDX-License-Identifier: Apache-2.0
 * JANG_API marks what the shared library exports; all else in it is hidden. */
#pragma once

#if defined(__GNUC__)
#define JANG_API __attribute__((visibility("default")))
#else
#define JANG_API
#endif
