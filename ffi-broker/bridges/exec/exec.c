// SPDX-License-Identifier: GPL-3.0-or-later
/* The bridge to a program, by its manifest: one call, one process. Data goes by descriptors,
 * where it is in a memfd already without a copy; the program inherits what its worker gave up,
 * and nothing but that one program can be executed. */
#define G_LOG_DOMAIN "moss-ffi-worker"

#include "ffi-broker/bridges/exec/pnm.h"
#include "ffi-broker/bridges/exec/run.h"
#include "ffi-broker/bridges/picture.h"
#include "ffi-broker/types/manifest.h"
#include "ffi-broker/worker/module.h"

#include "core/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static MossFfiManifest *manifest;

typedef struct
{
  const MossFfiManifestFunction *function;
  MossFfiInvocation *invocation;
  MossFfiCaps *caps; /* of the input */
  char **argv;
  int input, output;
} Call;

static void
call_clear (Call *call)
{
  g_clear_pointer (&call->caps, moss_ffi_caps_unref);
  g_clear_pointer (&call->argv, g_strfreev);
  if (call->input >= 0)
    close (call->input);
  if (call->output >= 0)
    close (call->output);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Call, call_clear)

static gboolean
fail (const char *what, GError **error)
{
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_FAILED, "%s: %s: %s", manifest->id, what,
               g_strerror (errno));
  return FALSE;
}

/* --- what the program reads --- */

/* A memfd with these bytes. */
static int
fill (const guint8 *data, gsize length)
{
  int fd = memfd_create ("input", MFD_CLOEXEC);

  if (fd >= 0 && moss_pwrite_all (fd, data, length, 0))
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

/* Rows that don't lie end to end are put so. */
static int
fill_rows (const MossRaster *raster)
{
  gsize row = (gsize) raster->width * raster->channels;
  int fd = memfd_create ("input", MFD_CLOEXEC);

  for (guint y = 0; fd >= 0 && y < raster->height; y++)
    if (!moss_pwrite_all (fd, raster->data + y * raster->stride, row, y * row))
      {
        close (fd);
        return -1;
      }
  return fd;
}

/* The same memory with a reading position of its own: the one that came is shared with all who
 * have it. Only where the bytes are the whole memory: a program reads all that is there, and
 * may open its descriptor 0 once more by name. */
static int
share (MossFfiBuffer *buffer)
{
  g_autofree char *path = NULL;
  int fd = moss_ffi_buffer_get_fd (buffer);
  struct stat st;

  if (fd < 0 || moss_ffi_buffer_get_offset (buffer) != 0 || fstat (fd, &st) < 0 ||
      (gsize) st.st_size != moss_ffi_buffer_get_length (buffer))
    return -1;
  path = g_strdup_printf ("/proc/self/fd/%d", fd);
  return open (path, O_RDONLY | O_CLOEXEC);
}

static gboolean
open_raster (Call *call, MossFfiBuffer *buffer, GError **error)
{
  g_auto (MossRaster) raster = { 0 };

  if (!moss_raster_open (&raster, buffer, error))
    return FALSE;
  if (raster.stride == (gsize) raster.width * raster.channels)
    call->input = share (buffer);
  if (call->input < 0)
    call->input = fill_rows (&raster);
  return call->input >= 0 || fail ("the picture can't be passed on", error);
}

static gboolean
open_bytes (Call *call, MossFfiBuffer *buffer, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;

  call->input = share (buffer);
  if (call->input >= 0)
    return TRUE;
  bytes = moss_ffi_buffer_get_bytes (buffer, error);
  if (bytes == NULL)
    return FALSE;
  call->input = fill (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  return call->input >= 0 || fail ("the input can't be passed on", error);
}

static gboolean
open_input (Call *call, GError **error)
{
  guint wanted = call->function->capability->inputs->len;
  MossFfiBuffer *buffer;

  if (moss_ffi_invocation_get_n_inputs (call->invocation) != wanted)
    {
      g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID, "%s takes %u inputs",
                   call->function->name, wanted);
      return FALSE;
    }
  if (wanted == 0)
    {
      call->input = open ("/dev/null", O_RDONLY | O_CLOEXEC);
      return call->input >= 0 || fail ("/dev/null", error);
    }
  buffer = moss_ffi_invocation_get_input (call->invocation, 0);
  call->caps = moss_ffi_caps_parse (moss_ffi_buffer_get_caps (buffer), error);
  if (call->caps == NULL)
    return FALSE;
  if (g_str_equal (moss_ffi_caps_get_media (moss_ffi_capability_get_input (
                     call->function->capability, 0)),
                   "video/x-raw"))
    return open_raster (call, buffer, error);
  return open_bytes (call, buffer, error);
}

static gboolean
expand (Call *call, GError **error)
{
  g_auto (GStrv) arguments = moss_ffi_manifest_function_expand (
    call->function, call->caps, moss_ffi_invocation_get_options (call->invocation), error);
  guint n = arguments != NULL ? g_strv_length (arguments) : 0;

  if (arguments == NULL)
    return FALSE;
  call->argv = g_new0 (char *, n + 2);
  call->argv[0] = g_path_get_basename (manifest->program);
  for (guint i = 0; i < n; i++)
    call->argv[i + 1] = g_steal_pointer (&arguments[i]);
  return TRUE;
}

/* --- what it put out --- */

static gboolean
give_whole (Call *call, const char *caps, gsize length, GError **error)
{
  g_autoptr (MossFfiBuffer) buffer = NULL;

  buffer = moss_ffi_buffer_new_for_fd (caps, call->output, 0, length, error);
  if (buffer != NULL)
    moss_ffi_invocation_add_output (call->invocation, buffer);
  return buffer != NULL;
}

static gboolean
give_word (Call *call, const char *caps, gsize length, GError **error)
{
  char text[512] = "";
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (MossFfiBuffer) buffer = NULL;

  if (!moss_pread_all (call->output, (guint8 *) text, MIN (length, sizeof text - 1), 0))
    return fail ("what it put out can't be read", error);
  bytes = g_bytes_new (text, strcspn (text, " \t\r\n"));
  buffer = moss_ffi_buffer_new (caps, bytes);
  moss_ffi_invocation_add_output (call->invocation, buffer);
  return TRUE;
}

static gboolean
give_picture (Call *call, gsize length, GError **error)
{
  g_autofree char *caps = NULL;
  g_autoptr (MossFfiBuffer) buffer = NULL;
  char head[PNM_HEAD_MAX + 1] = "";
  Pnm pnm;

  if (!moss_pread_all (call->output, (guint8 *) head, MIN (length, PNM_HEAD_MAX), 0))
    return fail ("what it put out can't be read", error);
  if (!pnm_parse (head, MIN (length, PNM_HEAD_MAX), &pnm, error) ||
      !moss_raster_check (pnm.width, pnm.height, error))
    return FALSE;
  caps = g_strdup_printf ("video/x-raw,format=%s,width=%u,height=%u",
                          pnm.channels == 4 ? "RGBA" : "RGB", pnm.width, pnm.height);
  buffer = moss_ffi_buffer_new_for_fd (caps, call->output, pnm.start,
                                       (guint64) pnm.width * pnm.height * pnm.channels, error);
  if (buffer == NULL)
    return FALSE;
  moss_ffi_buffer_add_dim (buffer, pnm.height, (gint64) pnm.width * pnm.channels);
  moss_ffi_buffer_add_dim (buffer, pnm.width, pnm.channels);
  moss_ffi_invocation_add_output (call->invocation, buffer);
  return TRUE;
}

static gboolean
give (Call *call, GError **error)
{
  const char *media = moss_ffi_caps_get_media (call->function->capability->output);
  struct stat st;

  if (fstat (call->output, &st) < 0)
    return fail ("what it put out can't be read", error);
  if (call->function->result == MOSS_FFI_MANIFEST_PNM)
    return give_picture (call, st.st_size, error);
  if (call->function->result == MOSS_FFI_MANIFEST_WORD)
    return give_word (call, media, st.st_size, error);
  return give_whole (call, media, st.st_size, error);
}

/* --- a call --- */

static gboolean
run (Call *call, GError **error)
{
  if (!open_input (call, error) || !expand (call, error))
    return FALSE;
  call->output = memfd_create ("output", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (call->output < 0)
    return fail ("no memory for what it puts out", error);
  return exec_run (manifest->program, call->argv, call->input, call->output,
                   moss_ffi_invocation_get_cancellable (call->invocation), error) &&
         give (call, error);
}

static void
on_call (MossFfiInvocation *invocation, gpointer user_data)
{
  g_auto (Call) call = { user_data, invocation, NULL, NULL, -1, -1 };
  g_autoptr (GError) error = NULL;

  if (run (&call, &error))
    moss_ffi_invocation_return (invocation);
  else if (error->domain == MOSS_FFI_ERROR)
    moss_ffi_invocation_return_error (invocation, error);
  else
    moss_ffi_invocation_return_failure (invocation, MOSS_FFI_ERROR_INVALID, error->message);
}

static GVariant *
attributes_of (const MossFfiManifestFunction *function)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "pure", "b", TRUE);
  g_variant_dict_insert (&dict, "deterministic", "b", function->deterministic);
  g_variant_dict_insert (&dict, "lossy", "b", function->lossy);
  if (*function->quality != '\0')
    g_variant_dict_insert (&dict, "quality", "s", function->quality);
  g_variant_dict_insert (&dict, "memory-per-byte", "d", function->memory_per_byte);
  if (manifest->licence != NULL)
    g_variant_dict_insert (&dict, "licence", "s", manifest->licence);
  g_variant_dict_insert (&dict, "function", "s", function->name);
  return g_variant_dict_end (&dict);
}

static MossFfiProvider *
open_exec (const char *path, GError **error)
{
  g_autoptr (MossFfiProvider) provider = NULL;

  if (path == NULL)
    {
      g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID,
                   "the second argument is a manifest");
      return NULL;
    }
  manifest = moss_ffi_manifest_load (path, error);
  if (manifest == NULL)
    return NULL;
  provider = moss_ffi_provider_new (manifest->id, manifest->version);
  moss_ffi_provider_set_name (provider, manifest->name);
  for (guint i = 0; i < manifest->functions->len; i++)
    {
      const MossFfiManifestFunction *function = g_ptr_array_index (manifest->functions, i);
      g_autofree char *text = moss_ffi_capability_to_string (function->capability);

      if (!moss_ffi_provider_add (provider, text, attributes_of (function), on_call,
                                  (gpointer) function, NULL, error))
        return NULL;
    }
  return g_steal_pointer (&provider);
}

const MossFfiBridge moss_ffi_bridge = {
  .abi = MOSS_FFI_BRIDGE_ABI,
  .name = "exec",
  .open = open_exec,
};
