// SPDX-License-Identifier: LGPL-2.1-or-later
/* Wall-clock time comes from here alone, so that a test can give two devices different clocks
 * (MOSS_TEST_CLOCK_OFFSET, in seconds; only in builds with faults). */
#include "core/clock.h"

static gint64
test_offset_us (void)
{
#ifdef MOSS_FAULTS
  const char *text = g_getenv ("MOSS_TEST_CLOCK_OFFSET");

  return text == NULL ? 0 : (gint64) (g_ascii_strtod (text, NULL) * G_USEC_PER_SEC);
#else
  return 0;
#endif
}

/**
 * moss_clock_now_us:
 *
 * Returns: wall-clock time in microseconds since 1970. Any thread.
 */
gint64
moss_clock_now_us (void)
{
  return g_get_real_time () + test_offset_us ();
}

/**
 * moss_clock_now:
 *
 * Returns: wall-clock time in nanoseconds since 1970, as the formats carry it. Any thread.
 */
gint64
moss_clock_now (void)
{
  return moss_clock_now_us () * 1000;
}
