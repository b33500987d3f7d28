/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the session says to a sandbox's display as a controller: the desktop's settings, and that
 * its windows shall close. Short connections, so that none leads outward when it is frozen. */
#define G_LOG_DOMAIN "moss-session"

#include "life.h"

#include "session/display/wire.h"
#include "session/move/move-error.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_US (2 * G_USEC_PER_SEC)
#define MAX_SETTINGS_BYTES (1u << 20)

/* Names of Session1.SetSettings and of the display. What isn't here (keymap, repeat) is the
 * viewer's to say. */
static const struct
{
  const char *ours, *theirs;
} setting_names[] = {
  { "color-scheme", "color-scheme" },
  { "font", "font-name" },
  { "scale", "text-scale" },
  { "locale", "locale" },
};

static MossWire *
open_control (MossManager *manager, const char *id, GError **error)
{
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) reply = moss_helper_call (
      manager->helper, "Connect", g_variant_new ("(s)", id), "(h)", NULL, &fds, error);
  MossWire *wire;
  gint32 handle;
  int fd;

  if (reply == NULL)
    return NULL;
  g_variant_get (reply, "(h)", &handle);
  fd = moss_helper_take_fd (fds, handle, error);
  if (fd < 0)
    return NULL;
  wire = moss_wire_new (fd);
  if (wire == NULL)
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FULL, "%s", g_strerror (errno));
      return NULL;
    }
  moss_wire_begin (wire, MOSS_WIRE_HELLO, 0);
  moss_wire_put_u32 (wire, MOSS_WIRE_MAGIC);
  moss_wire_put_u32 (wire, MOSS_WIRE_VERSION);
  moss_wire_put_u32 (wire, MOSS_WIRE_ROLE_CONTROL);
  moss_wire_end (wire);
  return wire;
}

static gboolean
wait_io (MossWire *wire, gint64 deadline_us)
{
  struct pollfd waits = { moss_wire_get_fd (wire), POLLIN, 0 };
  gint64 left_us = deadline_us - g_get_monotonic_time ();

  if (moss_wire_queued (wire) > 0)
    waits.events |= POLLOUT;
  return left_us > 0 && poll (&waits, 1, left_us / 1000 + 1) > 0;
}

/* Sends what is queued and reads until n answers of a type came; value: the first word of the
 * last one. */
static gboolean
exchange (MossWire *wire, guint16 type, guint n, guint32 *value)
{
  gint64 deadline_us = g_get_monotonic_time () + PATIENCE_US;

  while (n > 0)
    {
      MossWireMessage *message;
      MossWireRead read;

      if (!moss_wire_flush (wire) || !wait_io (wire, deadline_us))
        return FALSE;
      read = moss_wire_fill (wire);
      if (read == MOSS_WIRE_READ_END || read == MOSS_WIRE_READ_BAD)
        return FALSE;
      while (n > 0 && moss_wire_next (wire, &message) == MOSS_WIRE_READ_MESSAGE)
        if (message->type == type)
          {
            n--;
            if (value != NULL)
              *value = moss_wire_get_u32 (message);
          }
    }
  return TRUE;
}

static char *
to_text (GVariant *value)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return g_variant_dup_string (value, NULL);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
    return g_strdup (g_ascii_dtostr (number, sizeof number, g_variant_get_double (value)));
  return NULL;
}

static void
tell (MossManager *manager, const char *id, GVariant *settings)
{
  g_autoptr (GError) error = NULL;
  MossWire *wire;
  guint n = 0;

  if (g_variant_n_children (settings) == 0 || moss_registry_is_claimed (manager->registry, id))
    return;
  wire = open_control (manager, id, &error);
  if (wire == NULL)
    {
      g_debug ("Settings for %s: %s", id, error->message);
      return;
    }
  for (guint i = 0; i < G_N_ELEMENTS (setting_names); i++)
    {
      g_autoptr (GVariant) value
          = g_variant_lookup_value (settings, setting_names[i].ours, NULL);
      g_autofree char *text = value == NULL ? NULL : to_text (value);

      if (text == NULL)
        continue;
      moss_wire_begin (wire, MOSS_WIRE_SETTING, 0);
      moss_wire_put_string (wire, setting_names[i].theirs);
      moss_wire_put_string (wire, text);
      moss_wire_end (wire);
      n++;
    }
  exchange (wire, MOSS_WIRE_SETTING_DONE, n, NULL);
  moss_wire_free (wire);
}

GVariant *
moss_settings_get (MossManager *manager)
{
  GVariant *settings = moss_state_get (manager->state, "settings", G_VARIANT_TYPE_VARDICT);

  return settings ? settings : g_variant_ref_sink (g_variant_new_parsed ("@a{sv} {}"));
}

void
moss_settings_apply (MossManager *manager, const char *id, GVariant *settings)
{
  g_autoptr (GVariant) all = NULL;
  g_auto (GStrv) ids = NULL;

  if (settings != NULL && g_variant_get_size (settings) <= MAX_SETTINGS_BYTES)
    moss_state_set (manager->state, "settings", settings);
  all = moss_settings_get (manager);
  if (id != NULL)
    {
      tell (manager, id, all);
      return;
    }
  ids = moss_registry_ids (manager->registry);
  for (guint i = 0; ids[i] != NULL; i++)
    if (moss_registry_is (manager->registry, ids[i], "running"))
      tell (manager, ids[i], all);
}

gboolean
moss_display_close_all (MossManager *manager, const char *id, GError **error)
{
  MossWire *wire = open_control (manager, id, error);
  guint32 n_windows = 0;
  gboolean asked;

  if (wire == NULL)
    return FALSE;
  moss_wire_begin (wire, MOSS_WIRE_CLOSE_ALL, 0);
  moss_wire_end (wire);
  asked = exchange (wire, MOSS_WIRE_CLOSE_ALL_DONE, 1, &n_windows);
  moss_wire_free (wire);
  return asked && n_windows > 0;
}
