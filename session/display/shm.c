// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * wl_shm without maps.
 *
 * Policy: a client's memory is never mapped here. A pool is an open file whose kind and
 * size are looked at when it is made, and again with each commit that uses it; it goes
 * to the viewer as a file. A client that shares less memory than it says, or shrinks it,
 * gets wl_shm.invalid_fd and is gone; nobody else notices.
 */
#include "display-private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FUSE_MAGIC 0x65735546

static void
pool_unref (MossPool *pool)
{
  if (--pool->refs)
    return;
  moss_sync_pool_gone (pool);
  wl_list_remove (&pool->link);
  pool->display->n_pools--;
  pool->client->n_pools--;
  moss_client_unref (pool->client);
  if (pool->fd >= 0)
    close (pool->fd);
  free (pool);
}

MossBuffer *
moss_buffer_ref (MossBuffer *buffer)
{
  buffer->refs++;
  return buffer;
}

void
moss_buffer_unref (MossBuffer *buffer)
{
  if (--buffer->refs)
    return;
  if (buffer->pool)
    pool_unref (buffer->pool);
  free (buffer);
}

void
moss_buffer_hold (MossBuffer *buffer)
{
  buffer->holds++;
  buffer->refs++;
}

void
moss_buffer_drop (MossBuffer *buffer)
{
  if (--buffer->holds == 0 && buffer->resource)
    wl_buffer_send_release (buffer->resource);
  moss_buffer_unref (buffer);
}

static void
buffer_destroyed (struct wl_resource *resource)
{
  MossBuffer *buffer = wl_resource_get_user_data (resource);

  buffer->resource = NULL;
  moss_buffer_unref (buffer);
}

static const struct wl_buffer_interface buffer_implementation = {
  .destroy = moss_resource_destroy_request,
};

MossBuffer *
moss_buffer_from_resource (struct wl_resource *resource)
{
  if (!wl_resource_instance_of (resource, &wl_buffer_interface, &buffer_implementation))
    return NULL;
  return wl_resource_get_user_data (resource);
}

static MossBuffer *
buffer_new (struct wl_client *client, uint32_t id)
{
  MossBuffer *buffer = calloc (1, sizeof *buffer);

  if (!buffer)
    {
      wl_client_post_no_memory (client);
      return NULL;
    }
  buffer->refs = 1;
  buffer->resource = moss_resource (client, &wl_buffer_interface, 1, id,
                                    &buffer_implementation, buffer, buffer_destroyed);
  if (buffer->resource)
    return buffer;
  free (buffer);
  return NULL;
}

/* ---- pools --------------------------------------------------------------------------- */

static bool
has_bytes (int fd, uint64_t size)
{
  struct stat st;

  return fstat (fd, &st) == 0 && S_ISREG (st.st_mode) && st.st_size >= 0
         && (uint64_t) st.st_size >= size;
}

/* A regular file that can be read without anybody's help. Whether it is large enough is asked
 * when a buffer in it is shown: many make the pool first and the file's size after it. */
static const char *
reason_against (int fd)
{
  struct statfs fs;
  int flags = fcntl (fd, F_GETFL);

  if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH))
    return "can't be read";
  if (fstatfs (fd, &fs) != 0 || (unsigned long) fs.f_type == FUSE_MAGIC)
    return "is not memory";
  if (!has_bytes (fd, 0))
    return "is not a file";
  return NULL;
}

bool
moss_buffer_check (MossBuffer *buffer)
{
  uint64_t end;

  if (!buffer->pool)
    return true;
  end = (uint64_t) buffer->offset + (uint64_t) buffer->stride * (buffer->height - 1)
        + (uint64_t) buffer->width * 4;
  return has_bytes (buffer->pool->fd, end);
}

bool
moss_buffer_is_lost (MossBuffer *buffer)
{
  if (!buffer->pool)
    return false;
  return buffer->pool->fd < 0
         || (moss_display_just_moved (buffer->pool->display) && !moss_buffer_check (buffer));
}

static void
pool_create_buffer (struct wl_client *client,
                    struct wl_resource *resource,
                    uint32_t id,
                    int32_t offset,
                    int32_t width,
                    int32_t height,
                    int32_t stride,
                    uint32_t format)
{
  MossPool *pool = wl_resource_get_user_data (resource);
  MossBuffer *buffer;

  if (format != WL_SHM_FORMAT_ARGB8888 && format != WL_SHM_FORMAT_XRGB8888)
    {
      wl_resource_post_error (resource, WL_SHM_ERROR_INVALID_FORMAT,
                              "format 0x%x was not offered", format);
      return;
    }
  if (offset < 0 || width <= 0 || height <= 0 || width > 32767 || height > 32767
      || stride < width * 4
      || (uint64_t) offset + (uint64_t) stride * height > pool->size)
    {
      wl_resource_post_error (resource, WL_SHM_ERROR_INVALID_STRIDE,
                              "buffer %dx%d, stride %d at %d is not inside its pool of %u",
                              width, height, stride, offset, pool->size);
      return;
    }
  buffer = buffer_new (client, id);
  if (!buffer)
    return;
  pool->refs++;
  buffer->pool = pool;
  buffer->offset = offset;
  buffer->width = width;
  buffer->height = height;
  buffer->stride = stride;
  buffer->format = format;
}

static void
pool_resize (struct wl_client *client, struct wl_resource *resource, int32_t size)
{
  MossPool *pool = wl_resource_get_user_data (resource);

  if (size < 0 || (uint32_t) size < pool->size || (uint32_t) size > MOSS_MAX_POOL_BYTES)
    wl_resource_post_error (resource, WL_SHM_ERROR_INVALID_FD,
                            "pool can't be resized from %u to %d bytes", pool->size, size);
  else
    pool->size = size;
}

static const struct wl_shm_pool_interface pool_implementation = {
  .create_buffer = pool_create_buffer,
  .destroy = moss_resource_destroy_request,
  .resize = pool_resize,
};

static void
pool_destroyed (struct wl_resource *resource)
{
  pool_unref (wl_resource_get_user_data (resource));
}

static void
shm_create_pool (struct wl_client *client,
                 struct wl_resource *resource,
                 uint32_t id,
                 int32_t fd,
                 int32_t size)
{
  MossDisplay *display = wl_resource_get_user_data (resource);
  MossClient *owner = moss_client_get (client);
  const char *reason = NULL;
  MossPool *pool;

  if (size <= 0 || (uint32_t) size > MOSS_MAX_POOL_BYTES)
    wl_resource_post_error (resource, WL_SHM_ERROR_INVALID_STRIDE, "pool of %d bytes", size);
  else if ((reason = reason_against (fd)) && !moss_display_just_moved (display))
    wl_resource_post_error (resource, WL_SHM_ERROR_INVALID_FD, "pool %s", reason);
  else if (owner->n_pools >= MOSS_MAX_POOLS || display->n_pools >= MOSS_MAX_ALL_POOLS)
    moss_client_too_much (owner, "pools of memory");
  else if (!(pool = calloc (1, sizeof *pool)))
    wl_client_post_no_memory (client);
  else if (!moss_resource (client, &wl_shm_pool_interface,
                           wl_resource_get_version (resource), id, &pool_implementation,
                           pool, pool_destroyed))
    free (pool);
  else
    {
      pool->refs = 1;
      pool->display = display;
      pool->client = moss_client_ref (owner);
      pool->id = ++display->next_pool_id;
      pool->fd = reason ? -1 : fd;
      pool->size = size;
      if (reason)
        close (fd);
      else
        fcntl (fd, F_SETFD, FD_CLOEXEC);
      wl_list_insert (display->pools.prev, &pool->link);
      owner->n_pools++;
      display->n_pools++;
      return;
    }
  close (fd);
}

static const struct wl_shm_interface shm_implementation = {
  .create_pool = shm_create_pool,
};

static void
bind_shm (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  struct wl_resource *resource = moss_resource (client, &wl_shm_interface, version, id,
                                                &shm_implementation, data, NULL);

  if (!resource)
    return;
  wl_shm_send_format (resource, WL_SHM_FORMAT_ARGB8888);
  wl_shm_send_format (resource, WL_SHM_FORMAT_XRGB8888);
}

void
moss_shm_init (MossDisplay *display)
{
  wl_list_init (&display->pools);
  wl_global_create (display->wl, &wl_shm_interface, 1, display, bind_shm);
}

/* ---- one pixel buffers: the same object without a pool ------------------------------- */

#include "single-pixel-buffer-v1-server-protocol.h"

static void
create_solid (struct wl_client *client,
              struct wl_resource *resource,
              uint32_t id,
              uint32_t red,
              uint32_t green,
              uint32_t blue,
              uint32_t alpha)
{
  MossBuffer *buffer = buffer_new (client, id);

  if (!buffer)
    return;
  buffer->width = buffer->height = 1;
  buffer->format = WL_SHM_FORMAT_ARGB8888;
  buffer->solid
      = alpha >> 24 << 24 | red >> 24 << 16 | green >> 24 << 8 | blue >> 24;
}

static const struct wp_single_pixel_buffer_manager_v1_interface single_implementation = {
  .destroy = moss_resource_destroy_request,
  .create_u32_rgba_buffer = create_solid,
};

static void
bind_single (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  moss_resource (client, &wp_single_pixel_buffer_manager_v1_interface, version, id,
                 &single_implementation, data, NULL);
}

void
moss_single_pixel_init (MossDisplay *display)
{
  wl_global_create (display->wl, &wp_single_pixel_buffer_manager_v1_interface, 1, display,
                    bind_single);
}
