import { mount } from 'svelte';
import { start } from './api/client.svelte.ts';
import App from './App.svelte';
import './styles/tokens.css';
import './styles/base.css';
import './styles/floating.css';

start();
mount(App, { target: document.getElementById('app')! });
