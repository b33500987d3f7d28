// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-device"

#include "device.h"

#include <string.h>

/* MossDevice: what the shell knows about one other device, as moss-netd last said it. */

#define TEXT_MAX_CHARS 256

enum { CHANGED, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossDevice, moss_device, G_TYPE_OBJECT)

static const struct
{
  const char *kind;
  const char *icon;
  const char *sign;
} kinds[] = {
  { "laptop", "moss-device-laptop-symbolic", "moss-sign-laptop-symbolic" },
  { "server", "moss-device-server-symbolic", "moss-sign-server-symbolic" },
  { "tablet", "moss-device-tablet-symbolic", "moss-sign-tablet-symbolic" },
  { "desktop", "moss-device-desktop-symbolic", "moss-sign-desktop-symbolic" },
};

static void
take_string (GVariant *fields, const char *key, char **field)
{
  g_autofree char *value = NULL;

  if (!g_variant_lookup (fields, key, "s", &value))
    return;
  g_free (*field);
  *field = g_utf8_strlen (value, -1) > TEXT_MAX_CHARS
           ? g_utf8_substring (value, 0, TEXT_MAX_CHARS)
           : g_steal_pointer (&value);
}

void
moss_device_update (MossDevice *self, GVariant *fields)
{
  take_string (fields, "name", &self->name);
  take_string (fields, "state", &self->state);
  take_string (fields, "reason", &self->reason);
  take_string (fields, "address", &self->address);
  take_string (fields, "kind", &self->kind);
  g_variant_lookup (fields, "cores", "u", &self->cores);
  g_variant_lookup (fields, "load", "d", &self->load);
  self->load = CLAMP (self->load, 0.0, 1.0);
  if (!g_variant_lookup (fields, "battery", "d", &self->battery))
    self->battery = -1.0;
  g_variant_lookup (fields, "on-battery", "b", &self->on_battery);
  g_variant_lookup (fields, "idle", "b", &self->idle);
  g_variant_lookup (fields, "paired", "b", &self->paired);
  g_signal_emit (self, signals[CHANGED], 0);
}

gboolean
moss_device_is_linked (MossDevice *self)
{
  return strcmp (self->state, "linked") == 0;
}

static guint
kind_index (MossDevice *self)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds) - 1; i++)
    if (strcmp (kinds[i].kind, self->kind) == 0)
      return i;
  return G_N_ELEMENTS (kinds) - 1;
}

/* The picture of this kind of device, drawn for 32 pixels. */
const char *
moss_device_get_icon_name (MossDevice *self)
{
  return kinds[kind_index (self)].icon;
}

/* The same as a small sign, drawn for 16 pixels. */
const char *
moss_device_get_sign_name (MossDevice *self)
{
  return kinds[kind_index (self)].sign;
}

static void
moss_device_finalize (GObject *object)
{
  MossDevice *self = MOSS_DEVICE (object);

  g_free (self->id);
  g_free (self->name);
  g_free (self->state);
  g_free (self->reason);
  g_free (self->address);
  g_free (self->kind);
  G_OBJECT_CLASS (moss_device_parent_class)->finalize (object);
}

static void
moss_device_class_init (MossDeviceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = moss_device_finalize;
  signals[CHANGED] = g_signal_new ("changed", MOSS_TYPE_DEVICE, G_SIGNAL_RUN_LAST, 0,
                                   NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
moss_device_init (MossDevice *self)
{
  self->name = g_strdup ("");
  self->state = g_strdup ("away");
  self->reason = g_strdup ("");
  self->address = g_strdup ("");
  self->kind = g_strdup ("desktop");
  self->battery = -1.0;
  self->paired = TRUE;
}

MossDevice *
moss_device_new (const char *id)
{
  MossDevice *self = g_object_new (MOSS_TYPE_DEVICE, NULL);

  self->id = g_strdup (id);
  return self;
}
