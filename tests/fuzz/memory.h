/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY 65536

/* What comes with a frame: memory of that size, sealed so. */
static inline int
memory (int seals)
{
  int fd = memfd_create ("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (fd < 0 || ftruncate (fd, MEMORY) < 0 || fcntl (fd, F_ADD_SEALS, seals) < 0)
    abort ();
  return fd;
}
