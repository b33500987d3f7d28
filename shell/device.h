// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define MOSS_TYPE_DEVICE (moss_device_get_type ())
G_DECLARE_FINAL_TYPE (MossDevice, moss_device, MOSS, DEVICE, GObject)

/* A mirror of one dictionary of org.moss.Net1; the fields are read-only outside device.c.
   Emits "changed" after an update. */
struct _MossDevice
{
  GObject parent_instance;

  char *id; /* the fingerprint, lower-case hex */
  char *name;
  char *state; /* "linked", "away", "refused" */
  char *reason;
  char *address;
  char *kind; /* "laptop", "desktop", "server", "tablet" */
  guint cores;
  double load;
  double battery; /* 0..1, or -1 without one */
  gboolean on_battery;
  gboolean idle;
  gboolean paired;
};

MossDevice *moss_device_new (const char *id);
void moss_device_update (MossDevice *self, GVariant *fields);
gboolean moss_device_is_linked (MossDevice *self);
const char *moss_device_get_icon_name (MossDevice *self);
const char *moss_device_get_sign_name (MossDevice *self);

G_END_DECLS
