/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A message between two sessions holds at most 8 MiB; the manifest of an app with gigabytes of
 * memory is longer. It goes as objects then, like the memory itself. */
#define G_LOG_DOMAIN "moss-session"

#include "parcel.h"

#include "core/fault.h"
#include "session/move/manifest.h"
#include "session/move/move-error.h"

#include <fcntl.h>
#include <glib/gi18n.h>
#include <sys/mman.h>
#include <unistd.h>

#define OBJECT_BYTES (1u << 20)
#define MAX_IN_MESSAGE (4u << 20)
#define MAX_OBJECTS (MOSS_MANIFEST_MAX_BYTES / OBJECT_BYTES + 2) /* a signature is small */

GVariant *
moss_bytes_store (MossManager *manager, GBytes *bytes, const char *device, GError **error)
{
  gsize size = g_bytes_get_size (bytes), offset = 0;
  GVariantBuilder ranges;
  GVariant *refs = NULL;
  int fd = memfd_create ("moss-envelope", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  g_variant_builder_init (&ranges, G_VARIANT_TYPE ("a(tu)"));
  while (offset < size)
    {
      guint32 part = MIN (size - offset, OBJECT_BYTES);

      g_variant_builder_add (&ranges, "(tu)", (guint64) offset, part);
      offset += part;
    }
  if (fd >= 0 && write (fd, g_bytes_get_data (bytes, NULL), size) == (gssize) size
      && fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
    refs = moss_net_put (manager->net, fd, g_variant_builder_end (&ranges), device, NULL, error);
  else
    {
      g_variant_builder_clear (&ranges);
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FULL,
                   _("There is no room for the list of a snapshot"));
    }
  if (fd >= 0)
    close (fd);
  return refs;
}

GBytes *
moss_bytes_load (MossManager *manager, GVariant *refs, const char *device, GError **error)
{
  g_autoptr (GVariant) lengths = NULL;
  g_autoptr (GMappedFile) mapped = NULL;
  int fd = moss_net_get (manager->net, refs, device, &lengths, NULL, error);

  if (fd < 0)
    return NULL;
  mapped = g_mapped_file_new_from_fd (fd, FALSE, error);
  close (fd);
  return mapped == NULL ? NULL : g_mapped_file_get_bytes (mapped);
}

GVariant *
moss_parcel_wrap (MossManager *manager, GBytes *bytes, const char *device, GError **error)
{
  if (g_bytes_get_size (bytes) > MAX_IN_MESSAGE || moss_fault ("parcel.small"))
    return moss_bytes_store (manager, bytes, device, error);
  return g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE));
}

GBytes *
moss_parcel_open (MossManager *manager, GVariant *value, const char *device, GError **error)
{
  if (value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING))
    return g_variant_get_data_as_bytes (value);
  if (value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE ("a(ayay)"))
      && g_variant_n_children (value) > 0 && g_variant_n_children (value) <= MAX_OBJECTS)
    return moss_bytes_load (manager, value, device, error);
  g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_CORRUPT,
               _("The other device said something that can't be understood"));
  return NULL;
}
