// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/fuse-state.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct _FuseState
{
  FuseStateBlock *block;
  GMutex lock;  /* of the handles */
  GArray *free; /* numbers below handles_end that are free */
  gboolean used;
};

/* A shrunk file would kill whoever touches the mapping. */
static gboolean
make_room (int fd, GError **error)
{
  struct stat st;

  if (fstat (fd, &st) == 0 && (st.st_size >= (off_t) sizeof (FuseStateBlock)
                               || ftruncate (fd, sizeof (FuseStateBlock)) == 0)
      && fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "The state of /net can't be kept: %s",
               g_strerror (errno));
  return FALSE;
}

static void
find_free (FuseState *state)
{
  FuseStateBlock *block = state->block;

  block->handles_end = MIN (block->handles_end, FUSE_STATE_HANDLES);
  for (guint32 i = block->handles_end; i > 0; i--)
    if (block->handles[i - 1].node == 0)
      g_array_append_val (state->free, i);
}

FuseState *
fuse_state_new (int fd, GError **error)
{
  FuseState *state;
  void *block;

  if (!make_room (fd, error))
    return NULL;
  block = mmap (NULL, sizeof (FuseStateBlock), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (block == MAP_FAILED)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "The state of /net can't be mapped: %s",
                   g_strerror (errno));
      return NULL;
    }
  state = g_new0 (FuseState, 1);
  g_mutex_init (&state->lock);
  state->block = block;
  state->free = g_array_new (FALSE, FALSE, sizeof (guint32));
  state->used = state->block->magic == FUSE_STATE_MAGIC
                && state->block->init_length <= FUSE_STATE_INIT_MAX;
  if (state->used)
    find_free (state);
  return state;
}

void
fuse_state_free (FuseState *state)
{
  munmap (state->block, sizeof (FuseStateBlock));
  g_array_unref (state->free);
  g_mutex_clear (&state->lock);
  g_free (state);
}

FuseStateBlock *
fuse_state_get_block (FuseState *state)
{
  return state->block;
}

gboolean
fuse_state_is_used (FuseState *state)
{
  return state->used;
}

guint64
fuse_state_open (FuseState *state, guint64 node, guint flags, int backing)
{
  FuseStateBlock *block = state->block;
  guint32 number = 0;

  g_mutex_lock (&state->lock);
  if (state->free->len > 0)
    {
      number = g_array_index (state->free, guint32, state->free->len - 1);
      g_array_set_size (state->free, state->free->len - 1);
    }
  else if (block->handles_end < FUSE_STATE_HANDLES)
    number = ++block->handles_end;
  g_mutex_unlock (&state->lock);
  if (number > 0)
    {
      block->handles[number - 1].flags = flags & ~FUSE_STATE_UNSAFE;
      block->handles[number - 1].backing = backing;
      block->handles[number - 1].node = node;
    }
  return number;
}

gboolean
fuse_state_look (FuseState *state, guint64 number, FuseStateHandle *handle)
{
  if (number == 0 || number > FUSE_STATE_HANDLES)
    return FALSE;
  *handle = state->block->handles[number - 1];
  return handle->node != 0;
}

void
fuse_state_set_safe (FuseState *state, guint64 number, gboolean safe)
{
  guint32 *flags;

  if (number == 0 || number > FUSE_STATE_HANDLES)
    return;
  flags = &state->block->handles[number - 1].flags;
  if (((*flags & FUSE_STATE_UNSAFE) == 0) == safe)
    return;
  *flags = safe ? *flags & ~FUSE_STATE_UNSAFE : *flags | FUSE_STATE_UNSAFE;
}

gboolean
fuse_state_close (FuseState *state, guint64 number, FuseStateHandle *handle)
{
  guint32 free = number;

  if (!fuse_state_look (state, number, handle))
    return FALSE;
  state->block->handles[number - 1].node = 0;
  g_mutex_lock (&state->lock);
  g_array_append_val (state->free, free);
  g_mutex_unlock (&state->lock);
  return TRUE;
}
