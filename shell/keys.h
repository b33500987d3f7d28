// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

typedef enum
{
  MOSS_KEYS_NATIVE, /* Super is ours */
  MOSS_KEYS_NESTED, /* Super belongs to the desktop around us: Ctrl+Alt instead */
} MossKeySet;

typedef enum
{
  MOSS_KEY_LAUNCHER,
  MOSS_KEY_SEND,
  MOSS_KEY_BRING,
  MOSS_KEY_SNAPSHOT,
  MOSS_KEY_SAVE_OUT,
  MOSS_KEY_ON_TOP,
  MOSS_KEY_CLOSE,
  MOSS_KEY_MENU,
  MOSS_KEY_MAXIMIZE,
  MOSS_KEY_RESTORE,
  MOSS_KEY_LEFT,
  MOSS_KEY_RIGHT,
  MOSS_KEY_MOVE_LEFT,
  MOSS_KEY_MOVE_RIGHT,
  MOSS_KEY_MOVE_UP,
  MOSS_KEY_MOVE_DOWN,
  MOSS_KEY_NEXT,
  MOSS_KEY_PREVIOUS,
  MOSS_KEY_NOTIFICATIONS,
  MOSS_KEY_DOCK,
  MOSS_KEY_RAIL,
  MOSS_KEY_APP_1,
  MOSS_KEY_APP_9 = MOSS_KEY_APP_1 + 8,
  MOSS_N_KEYS,
} MossKey;

int moss_keys_find (MossKeySet set, guint keyval, GdkModifierType state);
char *moss_keys_label (MossKeySet set, MossKey key);
gboolean moss_keys_is_super (guint keyval);

G_END_DECLS
