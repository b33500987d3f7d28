/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

/* The system call filter of everything in a sandbox but its pid 1, as a program of the kernel's
 * classic BPF: moss-init installs it, and the check of images demands it. What it refuses and why
 * stands in make-filter.c. When the rules change:
 *
 *   build/dev/session/sandbox/filter/make-filter x86_64 >session/sandbox/filter/filter-x86_64.h
 *   build/dev/session/sandbox/filter/make-filter aarch64 >session/sandbox/filter/filter-aarch64.h
 *
 * and the program that was there before goes to filter.c's list of earlier ones, so that snapshots
 * which hold it can still be restored. */
extern const struct sock_filter moss_filter[];
extern const size_t moss_filter_length; /* in instructions */

/* Whether the bytes are this program or an earlier one. */
bool moss_filter_is_ours (const void *program, size_t size);
