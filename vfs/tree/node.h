// SPDX-License-Identifier: GPL-3.0-or-later
/* One block of the table: sorted items, or refs to blocks. Immutable. See node.c. */
#pragma once

#include "vfs/tree/tree.h"

#define MOSS_NODE_KEY_MIN 9
#define MOSS_NODE_KEY_MAX (MOSS_NODE_KEY_MIN + 256)
#define MOSS_NODE_VALUE_MAX 8192
#define MOSS_NODE_LEVEL_MAX 12
#define MOSS_NODE_BYTES_MAX (512 * 1024)

typedef struct
{
  const guint8 *key;
  const guint8 *value;
  guint16 key_length;
  guint16 value_length;
} MossItem;

typedef struct
{
  gatomicrefcount refs;
  GBytes *plain;
  guint level; /* 0: items; else each value is a MossRef to a block one level lower */
  guint count;
  MossItem *items;
} MossNode;

int moss_key_compare (const guint8 *a, gsize a_length, const guint8 *b, gsize b_length);

MossNode *moss_node_parse (GBytes *plain, const guint8 *tree_id, GError **error);
MossNode *moss_node_ref (MossNode *node);
void moss_node_unref (MossNode *node);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossNode, moss_node_unref)

guint moss_node_find (MossNode *node, const guint8 *key, gsize key_length);
gsize moss_node_memory (MossNode *node);

void moss_node_begin (GByteArray *out, const guint8 *tree_id, guint level);
void moss_node_add (GByteArray *out, const MossItem *item);
gboolean moss_node_is_last (const guint8 *tree_id, guint level, const MossItem *item);
