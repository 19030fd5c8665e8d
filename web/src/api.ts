// How the page asks the node that serves it.

import {signal} from '@preact/signals';

import {language} from './i18n';
import type {Problem} from './types';

export class Refusal extends Error {
  constructor(message: string, readonly status: number, readonly code: string, readonly problems: Problem[] = []) { super(message); }
}

// locked is true while the node wants to know who is there.
export const locked = signal(false);

const tokenKey = 'token';
export const keepToken = (token: string) => (token ? sessionStorage.setItem(tokenKey, token) : sessionStorage.removeItem(tokenKey));

// ask is fetch with the caller's token, if there is one, and in the page's language. It throws a Refusal with what the
// node says is wrong.
export async function ask(path: string, options: RequestInit = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  const token = sessionStorage.getItem(tokenKey);
  if (token) headers.set('Authorization', `Bearer ${token}`);
  headers.set('Accept-Language', language.value === 'zh' ? 'zh-CN' : 'en');
  const response = await fetch(path, {...options, headers});
  if (response.ok) return response;
  if (response.status === 401) locked.value = true;
  let message = `${response.status} ${response.statusText}`;
  let code = '';
  let problems: Problem[] = [];
  try {
    const said = parse(await response.text());
    message = said.error ?? message;
    code = said.code ?? '';
    problems = said.problems ?? [];
  } catch { /* what answers is not the node */ }
  throw new Refusal(message, response.status, code, problems);
}

// odd are the characters that turn text around, join it or take no room. The node escapes them in its JSON, so that few answers
// have to be looked through.
const odd = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udfff]/g;

// visible writes such characters out: names, reasons and messages are what others have said.
const visible = (_: string, value: unknown) => typeof value !== 'string' ? value :
  value.replace(odd, (c) => `\\u${c.codePointAt(0)!.toString(16).padStart(4, '0')}`);

// parse reads what the node says. All that the page shows comes through it.
export const parse = (text: string) => JSON.parse(text, text.includes('\\u') ? visible : undefined);

export const get = async <T>(path: string, signal?: AbortSignal): Promise<T> => parse(await (await ask(path, {signal})).text());

export async function post<T>(path: string, body: unknown): Promise<T> {
  const response = await ask(path, {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)});
  return parse(await response.text());
}

// listen reads server-sent events until the stream ends or the signal is given. Unlike EventSource it can carry a token.
export async function listen<T>(path: string, take: (message: T) => void, lost: AbortSignal, alive: () => void = () => {}) {
  const response = await ask(path, {signal: lost});
  const stream = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  alive();
  for (let rest = ''; ;) {
    const {value, done} = await stream.read();
    if (done) return;
    alive();
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop()!;
    for (const block of blocks) {
      for (const line of block.split('\n')) if (line.startsWith('data: ')) take(parse(line.slice(6)));
    }
  }
}
