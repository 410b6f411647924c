import express from 'express';
import { session } from './session.js';
import { turted } from './turted.js';

const app = express();
// The page's block.
app.use(session);
app.get('/login', (req, res) => {
  req.session.user = req.query.user;
  res.json({});
});
app.listen(process.env.PORT, '127.0.0.1');
