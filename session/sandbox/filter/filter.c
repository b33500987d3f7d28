/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "filter.h"

#include <string.h>

const struct sock_filter moss_filter[] = {
#if defined __x86_64__
#include "filter-x86_64.h"
#elif defined __aarch64__
#include "filter-aarch64.h"
#else
#error "there is no system call filter for this architecture"
#endif
};
const size_t moss_filter_length = sizeof moss_filter / sizeof moss_filter[0];

static const struct
{
  const void *program;
  size_t size;
} accepted[] = {
  { moss_filter, sizeof moss_filter },
};

bool
moss_filter_is_ours (const void *program, size_t size)
{
  for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++)
    if (accepted[i].size == size && memcmp (accepted[i].program, program, size) == 0)
      return true;
  return false;
}
