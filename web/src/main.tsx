import {render} from 'preact';

import './style.css';
import {App} from './app';
import {follow} from './live';

follow();
render(<App />, document.body);
