/** A worker that cannot be loaded. */
throw new TypeError('nothing works here');
