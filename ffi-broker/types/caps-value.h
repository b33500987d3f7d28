// SPDX-License-Identifier: LGPL-2.1-or-later
/* The value of one field of caps. Only caps.c uses this. */
#pragma once

#include "caps.h"

G_BEGIN_DECLS

typedef enum
{
  SCALAR_INT,
  SCALAR_DOUBLE,
  SCALAR_FRACTION,
  SCALAR_BOOLEAN,
  SCALAR_STRING,
} ScalarType;

typedef struct
{
  ScalarType type;
  gint64 number; /* a fraction's numerator, a boolean's 0 or 1 */
  gint64 divisor;
  double real;
  char *string;
} Scalar;

typedef enum
{
  VALUE_FIXED,
  VALUE_LIST,  /* at least two, no two alike, in the order of preference */
  VALUE_RANGE, /* the first item is lower than the second; both belong to it */
} ValueKind;

typedef struct
{
  ValueKind kind;
  GArray *items; /* Scalar */
} Value;

gboolean value_parse (const char **at, const char *end, Value *value, GError **error);
void value_write (const Value *value, GString *text);
void value_clear (Value *value);
Value value_copy (const Value *value);
Value value_of_string (const char *string);
gboolean value_is_subset (const Value *value, const Value *of);
gboolean value_intersect (const Value *a, const Value *b, Value *both);
Value value_fixate (const Value *value);

static inline const Scalar *
value_item (const Value *value, guint i)
{
  return &g_array_index (value->items, Scalar, i);
}

static inline void
skip_blanks (const char **at, const char *end)
{
  while (*at < end && **at == ' ')
    (*at)++;
}

G_END_DECLS
