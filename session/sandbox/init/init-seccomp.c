/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Installs the filter; what it refuses stands in ../filter/make-filter.c. */

#include "filter.h"
#include "init.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

int
init_seccomp_load (void)
{
  struct sock_fprog program = { moss_filter_length, (struct sock_filter *) moss_filter };

  return prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0 ? 0 : -errno;
}
