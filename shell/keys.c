// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-keys"

#include "keys.h"

/* The keys of the shell, twice: as a session of its own, and nested in another desktop,
   which keeps Super for itself. */

static const struct
{
  const char *native;
  const char *nested;
} accelerators[MOSS_N_KEYS] = {
  [MOSS_KEY_LAUNCHER] = { "<Super>a", "<Control><Alt>a" },
  [MOSS_KEY_SEND] = { "<Super>m", "<Control><Alt>m" },
  [MOSS_KEY_BRING] = { "<Super>b", "<Control><Alt>b" },
  [MOSS_KEY_SNAPSHOT] = { "<Super>s", "<Control><Alt>s" },
  [MOSS_KEY_SAVE_OUT] = { "<Super>o", "<Control><Alt>o" },
  [MOSS_KEY_ON_TOP] = { "<Super>k", "<Control><Alt>k" },
  [MOSS_KEY_CLOSE] = { "<Alt>F4", "<Control><Alt>w" },
  [MOSS_KEY_MENU] = { "<Alt>space", "<Control><Alt>space" },
  [MOSS_KEY_MAXIMIZE] = { "<Super>Up", "<Control><Alt>Up" },
  [MOSS_KEY_RESTORE] = { "<Super>Down", "<Control><Alt>Down" },
  [MOSS_KEY_LEFT] = { "<Super>Left", "<Control><Alt>Left" },
  [MOSS_KEY_RIGHT] = { "<Super>Right", "<Control><Alt>Right" },
  [MOSS_KEY_MOVE_LEFT] = { "<Super><Control>Left", "<Control><Alt><Shift>Left" },
  [MOSS_KEY_MOVE_RIGHT] = { "<Super><Control>Right", "<Control><Alt><Shift>Right" },
  [MOSS_KEY_MOVE_UP] = { "<Super><Control>Up", "<Control><Alt><Shift>Up" },
  [MOSS_KEY_MOVE_DOWN] = { "<Super><Control>Down", "<Control><Alt><Shift>Down" },
  [MOSS_KEY_NEXT] = { "<Alt>Tab", "<Control><Alt>Tab" },
  [MOSS_KEY_PREVIOUS] = { "<Alt><Shift>Tab", "<Control><Alt><Shift>Tab" },
  [MOSS_KEY_NOTIFICATIONS] = { "<Super>n", "<Control><Alt>n" },
  [MOSS_KEY_DOCK] = { "<Super>d", "<Control><Alt>d" },
  [MOSS_KEY_RAIL] = { "<Super>r", "<Control><Alt>r" },
  [MOSS_KEY_APP_1] = { "<Super>1", "<Control><Alt>1" },
  { "<Super>2", "<Control><Alt>2" },
  { "<Super>3", "<Control><Alt>3" },
  { "<Super>4", "<Control><Alt>4" },
  { "<Super>5", "<Control><Alt>5" },
  { "<Super>6", "<Control><Alt>6" },
  { "<Super>7", "<Control><Alt>7" },
  { "<Super>8", "<Control><Alt>8" },
  { "<Super>9", "<Control><Alt>9" },
};

#define MODIFIERS \
  (GDK_SHIFT_MASK | GDK_CONTROL_MASK | GDK_ALT_MASK | GDK_SUPER_MASK)

static const char *
get_accelerator (MossKeySet set, MossKey key)
{
  return set == MOSS_KEYS_NESTED ? accelerators[key].nested : accelerators[key].native;
}

/* The MossKey that this press means, or -1. */
int
moss_keys_find (MossKeySet set, guint keyval, GdkModifierType state)
{
  guint wanted = gdk_keyval_to_lower (keyval);

  if (wanted == GDK_KEY_ISO_Left_Tab)
    wanted = GDK_KEY_Tab;
  for (int key = 0; key < MOSS_N_KEYS; key++)
    {
      GdkModifierType modifiers;
      guint value;

      if (gtk_accelerator_parse (get_accelerator (set, key), &value, &modifiers) &&
          value == wanted && modifiers == (state & MODIFIERS))
        return key;
    }
  return -1;
}

/* What stands in a menu, as “Super+S”. */
char *
moss_keys_label (MossKeySet set, MossKey key)
{
  GdkModifierType modifiers;
  guint value;

  if (!gtk_accelerator_parse (get_accelerator (set, key), &value, &modifiers))
    return g_strdup ("");
  return gtk_accelerator_get_label (value, modifiers);
}

gboolean
moss_keys_is_super (guint keyval)
{
  return keyval == GDK_KEY_Super_L || keyval == GDK_KEY_Super_R;
}
