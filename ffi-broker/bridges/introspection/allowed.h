// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * Allowed:
 * @arguments: what each parameter gets, in order: "bytes" (a GBytes of the first input), "data"
 *   and "length" (the same as an array), "text" (the same as checked UTF-8), "null", a number
 *   ("=2"), or an option that is a string (":name")
 * @constant: the same arguments give the same result
 *
 * One function that may be called, and how.
 */
typedef struct
{
  const char *name_space;
  const char *function;
  const char *arguments;
  const char *capability;
  gboolean constant;
} Allowed;

extern const Allowed introspection_allowed[];
extern const guint introspection_n_allowed;

G_END_DECLS
