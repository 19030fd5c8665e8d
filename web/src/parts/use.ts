// Hooks that several views share.

import {useEffect, useState} from 'preact/hooks';

import {get} from '../api';

// useRead reads a path now and again every so many ms, for as long as the view is open.
export function useRead<T>(path: string | undefined, every: number, again: unknown = 0): {data: T | undefined; error: string} {
  const [result, setResult] = useState<{data: T | undefined; error: string}>({data: undefined, error: ''});
  useEffect(() => {
    if (path === undefined) return undefined;
    const gone = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const read = async () => {
      try {
        setResult({data: await get<T>(path, gone.signal), error: ''});
      } catch (e) {
        if (gone.signal.aborted) return;
        setResult((r) => ({data: r.data, error: (e as Error).message}));
      }
      timer = setTimeout(read, every);
    };
    void read();
    return () => {
      clearTimeout(timer);
      gone.abort();
    };
  }, [path, every, again]);
  return result;
}
