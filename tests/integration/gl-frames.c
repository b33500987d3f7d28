/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a game does with its window: frames drawn with OpenGL, one after the other, whether
 * anybody looks or not. Says which driver draws, and counts the frames aloud. */
#include <SDL.h>
#include <stdio.h>

int
main (void)
{
  SDL_RendererInfo info;
  SDL_Renderer *renderer;
  SDL_Window *window;
  SDL_Event event = { 0 };

  if (SDL_Init (SDL_INIT_VIDEO) != 0)
    return 1;
  window = SDL_CreateWindow ("Frames", 0, 0, 320, 240, SDL_WINDOW_RESIZABLE);
  renderer = window ? SDL_CreateRenderer (window, -1, SDL_RENDERER_ACCELERATED) : NULL;
  if (!renderer || SDL_GetRendererInfo (renderer, &info) != 0)
    {
      fprintf (stderr, "gl-frames: %s\n", SDL_GetError ());
      return 1;
    }
  printf ("driver %s %s\n", SDL_GetCurrentVideoDriver (), info.name);
  for (int i = 1; event.type != SDL_QUIT; i++)
    {
      SDL_SetRenderDrawColor (renderer, i & 255, 60, 90, 255);
      SDL_RenderClear (renderer);
      SDL_RenderPresent (renderer);
      if (i % 100 == 0)
        printf ("frames %d\n", i);
      fflush (stdout);
      while (event.type != SDL_QUIT && SDL_PollEvent (&event))
        ;
    }
  SDL_Quit ();
  return 0;
}
