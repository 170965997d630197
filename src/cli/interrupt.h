// SPDX-License-Identifier: Apache-2.0
// SIGINT and SIGTERM during long work: the first asks the work to stop and clean up, the second ends the program at once.
#pragma once

#include "jang/observer.h"

namespace jang::cli {

// From now on signals set the flag; SIGPIPE and SIGXFSZ are ignored, so that progress nobody reads or a limit on file sizes is a failed
// write that cleans up instead of a death half way.
void catch_interrupts();
// For a program that waits for its user: signals end it as they would by default, until catch_interrupts() is called again.
void catch_interrupts_of_reading();
// Forgets a signal that has been obeyed, so that the next one is the first again.
void clear_interrupt();
[[nodiscard]] const CancelFlag& cancel_flag();
// Number of the signal that set the flag, 0 when none has arrived.
[[nodiscard]] int interrupt_signal();

}  // namespace jang::cli
